"""Short forms of uids, as lists show them, name the run that is shown."""

from __future__ import annotations

from framework.cli.uids import short, shorten, shorten_runs
from framework.testing.database_bed import run_document

MAP = "01a22692-9599-794a-b640-28b8367f3af5"
ITEM = "01a22692-9599-79f8-abc1-8946d36f198a"
LATER = "01a22692-aaaa-7000-8000-000000000000"


def test_as_short_as_tells_them_apart():
    assert shorten([MAP, LATER]) == {MAP: MAP[:13], LATER: LATER[:13]}
    assert shorten([MAP, ITEM]) == {MAP: MAP[:18], ITEM: ITEM[:18]}


def test_an_item_is_told_from_its_map_also_where_the_map_is_not_listed():
    assert shorten_runs([run_document(ITEM, parent=MAP)])[ITEM] == ITEM[:18]
    assert shorten_runs([run_document(MAP)]) == {MAP: MAP[:13]}


def test_what_a_map_is_called_names_it_and_not_its_items(database):
    for document in (run_document(MAP), run_document(ITEM, parent=MAP)):
        database.create_run(document)
    assert (short(database, MAP), short(database, ITEM)) == (MAP[:13], ITEM[:18])
    assert database.run(MAP[:13])["metadata"]["uid"] == MAP
