"""The journal's tables, from each version to the next, and the states of a row. Knows not what is done with them.

A journal of an older version is brought to today's when it is opened; what its rows are known to be stays.
"""

from typing import Final

__all__ = ["APPLICATION_ID", "STEP", "UPGRADES", "State"]

APPLICATION_ID: Final = 0x33364F4A  # "36OJ"
UPGRADES: Final = (
    """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE rows (
        id INTEGER PRIMARY KEY,
        campaign_id TEXT, email_key TEXT, occurrence INTEGER,
        position INTEGER, line INTEGER NOT NULL, cells TEXT NOT NULL, client TEXT,
        state TEXT NOT NULL, compared INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL DEFAULT 0,
        client_id TEXT, link TEXT, field TEXT, error TEXT, details TEXT, status INTEGER, first_line INTEGER,
        sending_at INTEGER, ended_at INTEGER
    );
    CREATE UNIQUE INDEX rows_by_identity ON rows (campaign_id, email_key, occurrence);
    CREATE INDEX rows_by_position ON rows (position);
    CREATE INDEX rows_by_state ON rows (state, position);
    CREATE TABLE known (
        campaign_id TEXT NOT NULL, client_id TEXT NOT NULL, email_key TEXT NOT NULL,
        PRIMARY KEY (campaign_id, client_id)
    ) WITHOUT ROWID;
    CREATE INDEX known_by_key ON known (campaign_id, email_key)
    """,
    "CREATE INDEX rows_by_client ON rows (campaign_id, client_id) WHERE client_id IS NOT NULL",
    # seq: the order in which outcomes were noted. absent: after its last request it was shown that nobody was created.
    # requests and runs: when something was sent, and from when to when somebody sent. events: stored webhooks.
    # Rows that an older version left unresolved were never looked for.
    """
    ALTER TABLE rows ADD COLUMN seq INTEGER;
    ALTER TABLE rows ADD COLUMN absent INTEGER NOT NULL DEFAULT 0;
    UPDATE rows SET seq = id WHERE state NOT IN ('planned', 'sending', 'unresolved');
    UPDATE rows SET state = CASE created WHEN 1 THEN 'created_no_id' ELSE 'ambiguous' END WHERE state = 'unresolved';
    CREATE INDEX rows_by_seq ON rows (seq) WHERE seq IS NOT NULL;
    CREATE TABLE requests (at INTEGER NOT NULL, what TEXT NOT NULL);
    CREATE TABLE runs (id INTEGER PRIMARY KEY, began_at INTEGER NOT NULL, ended_at INTEGER, ending TEXT);
    CREATE TABLE events (
        campaign_id TEXT NOT NULL, client_id TEXT NOT NULL, email_key TEXT NOT NULL, link TEXT, client TEXT NOT NULL,
        PRIMARY KEY (campaign_id, client_id)
    ) WITHOUT ROWID;
    CREATE INDEX events_by_key ON events (campaign_id, email_key)
    """,
)
STEP: Final = 5_000  # rows that are changed at once: the loop has other things to do


class State:
    """Where a row stands."""

    INVALID: Final = "invalid"
    DUPLICATE: Final = "skipped_duplicate"
    EXISTING: Final = "skipped_existing"
    PLANNED: Final = "planned"
    SENDING: Final = "sending"
    CREATED: Final = "created"
    CREATED_NO_ID: Final = "created_no_id"  # the server said that it created somebody, and the rest was lost
    AMBIGUOUS: Final = "ambiguous"  # may or may not have been created; to be looked for
    ADOPTED: Final = "adopted"
    REJECTED: Final = "rejected"
    UNRESOLVED: Final = "unresolved"  # was looked for, and nobody can tell
