"""Every number of the SDK, once: with its unit, and whether the API page documents it or we chose it.

Knows nothing else. Docs, help texts and defaults read from here.
"""

from typing import Final

__all__: list[str] = []

# The service
BASE_URL: Final = "https://app.360onboard.com/api/v1"  # documented ("Base URL")
API_PATH: Final = "/api/v1"  # documented ("Base URL")
API_KEY_VARIABLE: Final = "ONBOARD360_API_KEY"  # our choice
BASE_URL_VARIABLE: Final = "ONBOARD360_BASE_URL"  # our choice
BUDGET_VARIABLE: Final = "ONBOARD360_BUDGET"  # our choice
WEBHOOK_SECRET_VARIABLE: Final = "ONBOARD360_WEBHOOK_SECRET"  # noqa: S105 - the name of one; our choice
COMPLETE_VARIABLE: Final = "_ONBOARD360_COMPLETE"  # a shell sets it while it asks what may be typed; our choice

# The budget
LIMIT: Final = 100  # requests per window; documented ("429 - Rate limit exceeded (100 requests/minute)")
WINDOW_S: Final = 60.0  # seconds; documented (the minute of "100 requests/minute")
MARGIN_SHARE: Final = 1 / 60  # of the window; our choice: 1 s a minute for clock drift and whole-second servers
BURST: Final = 20  # requests at once; our choice
LONGEST_S: Final = 1e9  # seconds, about 31 years; the longest window or pause that is taken; our choice
PAUSE_BASE_SHARE: Final = 1 / 60  # of the window: the first pause after a 429 without Retry-After; our choice
PAUSE_DOUBLINGS: Final = 10  # after as many 429s in a row the pause is a whole window anyway; our choice
LEVEL_CUT: Final = 0.97  # a 429 leaves so much of what was used, or of the effective limit; our choice
LEVEL_CUT_SHARE: Final = 1 / 12  # of the window: at most one cut in it, since 429s come in flocks; our choice
LEVEL_RAISE: Final = 0.05  # requests that every success gives back to the effective limit; our choice

# The budget's store
STORE_PATIENCE_S: Final = 5.0  # seconds that a store may fail or be frozen before those who wait are told; our choice
STORE_LOOK_S: Final = 1.0  # seconds that a request with max_wait_s=0 waits for the store's answer; our choice
STORE_RETRY_S: Final = 1.0  # seconds before a store that failed is tried again, when we go on without it; our choice
STORE_LOST_SWAP_S: Final = 0.004  # seconds, doubled, full jitter: before a lost swap is tried again; our choice
STORE_LOST_SWAP_MOST_S: Final = 0.064  # seconds; our choice
STORE_FAULT_S: Final = 0.25  # seconds, full jitter: before a store that failed is asked again; our choice
STORE_POST_SHARE: Final = 1 / 240  # of the window: as long may news wait for others, or for a question; our choice
STORE_KEEP_NEWS_SHARE: Final = 1 / 20  # ... at most: others take for under way what they do not know; our choice
STORE_TURN_SHARE: Final = 1 / 20  # of the window: a process that is so late loses its turn; our choice
STORE_LOOK_SHARE: Final = 1 / 6  # of the window: as long at most between two looks while somebody waits; our choice
STORE_HOLD_SHARE: Final = STORE_LOOK_SHARE + STORE_TURN_SHARE  # of the window: until all who wait have looked again
STORE_BLIND_SHARE: Final = 1 / 60  # of the window: between two looks while only an answer elsewhere helps; our choice
STORE_KEPT_S: Final = 3600.0  # seconds that Redis keeps the books of a key nobody uses; our choice
STORE_LOCK_S: Final = 0.002  # seconds, about: before a file that another process holds is tried again; our choice
STORE_MOST_BYTES: Final = 4 * 1024 * 1024  # bytes of a budget's file that are read; our choice

# One request
TIMEOUT_S: Final = 30.0  # seconds per attempt; our choice
MAX_RETRIES: Final = 2  # further attempts after the first; our choice
BACKOFF_BASE_S: Final = 0.5  # seconds, doubled per attempt, full jitter; our choice
BACKOFF_CEILING_S: Final = 8.0  # seconds; our choice
KEEPALIVE_S: Final = 3.0  # seconds; our choice: shorter than a server's idle close, which would eat a POST
USER_AGENT: Final = "onboard360-async"  # our choice
SHORTEST_TIMEOUT_S: Final = 0.001  # seconds: what is left of a deadline is never rounded to "for ever"; our choice
READ_BYTES: Final = 120 * 1024  # bytes that a connection reads at once; our choice: below 128 KiB, see its connector
MAX_ERROR_BYTES: Final = 64 * 1024  # bytes of an error answer that are read; our choice
MAX_BODY_BYTES: Final = 64 * 1024 * 1024  # bytes of one answer that is read whole; our choice
SNIPPET_CHARS: Final = 200  # characters of an unreadable error body kept in `body_snippet`; our choice

# A listing
FEED_BYTES: Final = 64 * 1024  # bytes of a listing that are decoded at once; our choice
TURN_S: Final = 0.002  # seconds for which a listing may be decoded before others get a turn; our choice
RETRY_BYTES: Final = 4096  # bytes; a longer element doubles before it is tried again; our choice
CUT_BYTES: Final = FEED_BYTES + RETRY_BYTES  # bytes of elements that are parsed as one; our choice
ALIKE_AFTER: Final = 1_000  # clients of one answer; its look is worth half a millisecond from then on; our choice
ALIKE_TRIES: Final = 3  # looks in vain, one after the other, until an answer is only parsed; our choice
MAX_VALUE_CHARS: Final = 1024 * 1024  # characters of one element or member of an answer; our choice
MAX_VALUE_PARTS: Final = 10_000  # values in one that is longer than CUT_BYTES, about 3 ms; our choice
MAX_MEMBERS: Final = 1_000  # members beside the clients; our choice
CUT_TRIES: Final = 3  # boundaries from the last one on, before elements are read one by one; our choice
ROUND_COUNTS: Final = (100, 200, 250, 500, 1000, 2000, 5000, 10000)  # lengths that look like a silent cap; our choice
PAGE_IDS: Final = 1_000  # clients of the pages before who are not handed on again; our choice
PAGES_REMEMBERED: Final = 100  # of the latest pages, none of which is asked for again; our choice
PAGE_URL_CHARS: Final = 8_000  # characters of the address of a further page; our choice: servers take 8 KB at most
PAGE_DIGITS: Final = 10  # of a page's number that is written as text, fewer than so many; our choice
SHARED_IDS: Final = 1_000  # campaign ids that one listing shares among its clients; our choice
MAX_NESTING: Final = 200  # objects and lists in each other, in one answer; our choice
MAX_ITEM_CHARS: Final = 16 * 1024 * 1024  # characters of one element of a list in a file; our choice
DRIFT_MOST_TOLD: Final = 100  # paths beyond the API page that one handle tells of; our choice

# The command
HELP_COLUMNS: Final = 100  # of help and guides on a terminal, at most; our choice
WATCH_EVERY_S: Final = 1.0  # seconds between two looks of `onboard360 budget --watch`; our choice
WAITING_TOLD_S: Final = 2.0  # seconds that a command waits for the budget before it says so; our choice
LISTEN_PORT: Final = 8361  # of `onboard360 webhooks listen`, beside the sandbox's 8360; our choice
LISTEN_SHOWN: Final = 20  # events in the table that it draws in place; our choice
LISTEN_DRAW_S: Final = 0.1  # seconds between two drawings of it, however many events come; our choice
LISTEN_GRACE_S: Final = 2.0  # seconds that requests under way have to end when it is told to stop; our choice
INBOX_FILE: Final = "onboard360-inbox.db"  # in the current folder: where it stores, if nothing else is said; our choice
EVENT_ID_CHARS: Final = 12  # of an event's 64 that are shown to name it by; our choice

# The doctor
DOCTOR_CLIENTS: Final = 10_000  # of a listing that are looked at, if nothing else is said; our choice
DOCTOR_MOST_CLIENTS: Final = 100_000  # ... at most: of each a mark is kept, about 20 MB of them; our choice
DOCTOR_READ_S: Final = 30.0  # seconds that an answer may take to begin, and then to come to its end; our choice
DOCTOR_MAX_WAIT_S: Final = 90.0  # seconds that a request waits for the budget: more than any minute; our choice
DOCTOR_LEAST_ORDERED: Final = 5  # clients that show an order: 1 time in 120 they stand so by chance; our choice
DOCTOR_SHOWN: Final = 8  # names of members that are shown; our choice
DOCTOR_WORD_CHARS: Final = 60  # characters of a header's word that is shown; our choice

# An import
IMPORT_CONCURRENCY: Final = 4  # POSTs in flight; our choice: bounds what a crash leaves unknown
IMPORT_MOST_COLUMNS: Final = 1000  # different keys in a list of JSON objects; our choice
IMPORT_MOST_CELLS: Final = 30_000_000  # of a sheet, empty ones too, about 1 GB: 26 columns of any length; our choice
MAX_EMAIL_CHARS: Final = 254  # characters; our choice, after RFC 5321
PROGRESS_EVERY_S: Final = 30.0  # seconds between progress lines without a terminal; our choice
PROGRESS_LEAST_S: Final = 2.0  # seconds between them in a short import; our choice
PROGRESS_TICK_S: Final = 1.0  # seconds after which a bar is drawn anew, and the shortest wait that is told; our choice
IMPORT_SHOWN: Final = 20  # rows of one kind that are named on the screen; the files have all of them; our choice
IMPORT_MOST_REFUSED: Final = 10  # 429s in a row after which an import stops; our choice
IMPORT_MOST_UNSENT: Final = 10  # requests in a row that never left, after which an import stops; our choice
IMPORT_MOST_NOT_FOUND: Final = 10  # 404s in a row after which an import stops: a wrong campaign; our choice
IMPORT_MOST_LOST: Final = 10  # unknown outcomes in a row after which an import stops: a dead server; our choice
IMPORT_SETTLE_S: Final = (
    60.0  # seconds after which a request whose connection ended creates nobody any more; our choice
)
IMPORT_CLOCK_TOLERANCE_S: Final = 5.0  # seconds that the server's dates may be wrong; our choice
IMPORT_MOST_WAIT_S: Final = 86_400.0  # seconds that an import may be told to wait at once; our choice
IMPORT_WITNESS_SHARE: Final = 1 / 6  # of settle_s: so long others may come before a look in the middle; our choice
IMPORT_SETTLE_AT: Final = 20  # rows in doubt that are looked for while others are sent; our choice
IMPORT_LOOKS: Final = 3  # listings of a campaign, at most, until a row in doubt is left unresolved; our choice
IMPORT_MOST_SENT: Final = 3  # requests for one row in one run, the first included; our choice
SHOWN_CHARS: Final = 500  # of a text of somebody else's that are shown on the screen; our choice
SHOWN_NAMES: Final = 100  # columns, or candidates for one, that are named on the screen; our choice
IMPORT_PROBLEMS: Final = 1_000  # invalid rows that a plan holds; the errors file has all of them; our choice

# Webhooks
SIGNATURE_HEADER: Final = "X-360onboard-Signature"  # documented ("Webhook Format")
EVENT_HEADER: Final = "X-360onboard-Event"  # documented ("Webhook Format")
WEBHOOK_MOST_SECRETS: Final = 8  # that are tried, for rotation; our choice
WEBHOOK_MOST_SIGNATURES: Final = 8  # of one request that are tried; our choice
WEBHOOK_MAX_BODY_BYTES: Final = 256 * 1024  # bytes of a body that are read; our choice
WEBHOOK_FALLBACK_MAX_BYTES: Final = 16 * 1024  # bytes of a body that is parsed to look for other forms; our choice
WEBHOOK_OLD_S: Final = 4 * 86_400.0  # seconds after which an event is flagged: longer than senders retry; our choice
WEBHOOK_AHEAD_S: Final = 600.0  # seconds that a sender's clock may be fast before an event is flagged; our choice
INBOX_RETRY_AFTER_S: Final = 30.0  # seconds after which a sender may come again when the store is down; our choice
SHARED_PATIENCE_S: Final = 5.0  # seconds that one process waits for another's turn in a shared database; our choice
INBOX_CONCURRENCY: Final = 16  # events that are handled at once; our choice
INBOX_LEASE_S: Final = 60.0  # seconds after which the events of a worker that died are taken by the next; our choice
INBOX_GRACE_S: Final = 10.0  # seconds that handlers have to end when an inbox stops running; our choice
INBOX_POLL_S: Final = 1.0  # seconds between two looks for events that other processes have stored; our choice
INBOX_BACKOFF_S: Final = 1.0  # seconds, doubled per attempt, half of it jitter; our choice
INBOX_BACKOFF_MOST_S: Final = 3600.0  # seconds; our choice
INBOX_MOST_ATTEMPTS: Final = 20  # in about nine hours; then the event is a dead letter; our choice
INBOX_MOST_WAITING: Final = 1_000  # events that wait for the disk at once; the next are told to come again; our choice
INBOX_GATHER_S: Final = 0.0001  # seconds a commit waits per event that may come: as a loop takes for one; our choice
INBOX_GATHER_MOST_S: Final = 0.002  # seconds it waits for all of them; our choice
INBOX_PAGE: Final = 500  # events that are read at once; our choice
