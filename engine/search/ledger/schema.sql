CREATE TABLE studies (
	id       INTEGER PRIMARY KEY,
	name     TEXT NOT NULL UNIQUE,
	created  INTEGER NOT NULL,
	source   TEXT NOT NULL,
	settings TEXT NOT NULL,
	machine  TEXT NOT NULL,
	asked    INTEGER NOT NULL DEFAULT 0,
	state    TEXT NOT NULL DEFAULT '',
	seconds  REAL NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE trials (
	study     INTEGER NOT NULL REFERENCES studies(id),
	number    INTEGER NOT NULL,
	candidate TEXT NOT NULL,
	note      TEXT NOT NULL,
	state     TEXT NOT NULL,
	attempt   INTEGER NOT NULL DEFAULT 0, -- the latest; of a finished trial, the one that finished it
	metrics   TEXT NOT NULL DEFAULT '',
	error     TEXT NOT NULL DEFAULT '',
	seconds   REAL NOT NULL DEFAULT 0,
	asked     INTEGER NOT NULL,
	finished  INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (study, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
	token   INTEGER PRIMARY KEY AUTOINCREMENT, -- the fencing token: never used twice
	study   INTEGER NOT NULL,
	trial   INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	owner   TEXT NOT NULL,
	began   INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	ended   INTEGER NOT NULL DEFAULT 0,
	outcome TEXT NOT NULL,
	result  TEXT NOT NULL DEFAULT '',
	UNIQUE (study, trial, attempt),
	FOREIGN KEY (study, trial) REFERENCES trials(study, number)
) STRICT;

CREATE TABLE reports (
	study   INTEGER NOT NULL,
	trial   INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	step    INTEGER NOT NULL,
	metrics TEXT NOT NULL,
	PRIMARY KEY (study, trial, attempt, step),
	FOREIGN KEY (study, trial) REFERENCES trials(study, number)
) STRICT, WITHOUT ROWID;
