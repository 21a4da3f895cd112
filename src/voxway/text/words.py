"""Which written words end with a full stop without ending a sentence: one table per behaviour.

Keys are lower case and without the last stop. Leaving two sentences together costs a little
latency; a pause after "Dr." is heard by everybody. So each doubt is decided for going on.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Always followed by more: titles, and what introduces an explanation.
OPENING = _words(
    """mr mrs ms mx dr prof rev hon gen col maj capt cpt lt sgt cpl cmdr adm gov sen rep pres supt
    messrs mme mlle sra srta dra don fr br ing hr dipl e.g i.e eg ie vs viz cf ca approx incl
    excl z.b d.h u.a bzw evtl ggf inkl"""
)

# May end a sentence, or stand before more of a name: the next word decides (see STARTERS).
NAMES = _words(
    """st mt ft ave blvd rd jr sr inc ltd co corp llc plc bros dept univ assn al ph.d b.sc m.sc esq
    est tel ext"""
)

# An abbreviation before a number, an ordinary word or a sentence's end before anything else.
COUNTED = _words(
    """no nos nr fig figs p pp vol vols ch chap sec art eq ver v jan feb mar apr jun jul aug sep
    sept oct nov dec"""
)

# An abbreviation that ends a sentence exactly when a capital follows.
CLOSING = _words("etc a.m p.m usw")

# Capitalised words that begin a sentence far more often than they go on with a name.
STARTERS = _words(
    """a all also although an and another any are as at because before but by can did do does
    during each even every for from had has have he her here his how however i if in is it its
    just last let like many maybe more most my next no not nothing now of on once one only or
    other our over perhaps please she should since so some soon still such suddenly that the
    their then there these they this those though three thus to today tomorrow two under until
    was we well were what when where which while who why will with would yes yesterday yet you
    your"""
)
