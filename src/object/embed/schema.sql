-- The index of the object store, objects.db. Its version is PRAGMA user_version, see index.c.

CREATE TABLE object (
    bucket       TEXT NOT NULL,
    key          BLOB NOT NULL,
    size         INTEGER NOT NULL,
    digest       BLOB NOT NULL,    -- MD5 of the bytes; with parts > 0 the MD5 of the parts' MD5s
    parts        INTEGER NOT NULL,
    modified_ns  INTEGER NOT NULL,
    inline       INTEGER NOT NULL, -- 1: bytes in inline(id = body); 0: in the files of segment(body)
    body         INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    headers      TEXT NOT NULL,    -- "name: value\n" each
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;

-- Apart from object so that listing reads no bytes and new objects go to the end of the file.
CREATE TABLE inline (
    id    INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
);

-- A body in files, in order of n: one, or the parts of a multipart upload as they were sent.
CREATE TABLE segment (
    body        INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    digest      BLOB NOT NULL,
    modified_ns INTEGER NOT NULL,
    file        BLOB NOT NULL, -- 16 bytes: objects/<first byte, hex>/<all, hex>
    PRIMARY KEY (body, n)
) WITHOUT ROWID;
CREATE INDEX segment_file ON segment (file);

-- Multipart uploads that are neither completed nor aborted.
CREATE TABLE upload (
    id           BLOB PRIMARY KEY,
    bucket       TEXT NOT NULL,
    key          BLOB NOT NULL,
    content_type TEXT NOT NULL,
    headers      TEXT NOT NULL,
    body         INTEGER NOT NULL UNIQUE,
    created_ns   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX upload_key ON upload (bucket, key);
