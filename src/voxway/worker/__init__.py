"""The process that hosts one engine: a provider that happens to run here."""
