"""What the project needs to make its own documents."""
