"""The target's settings, besides those every Singer SDK target has."""

from __future__ import annotations

from singer_sdk import typing as th

_PRUNE_RULE = th.ObjectType(
    th.Property("parent", th.StringType, required=True, description="Table whose rows decide."),
    th.Property(
        "on",
        th.ObjectType(additional_properties=th.StringType),
        required=True,
        description="{child column: parent column} that join them.",
    ),
    th.Property(
        "version",
        th.ObjectType(additional_properties=th.StringType),
        required=True,
        description="{child column: parent column} of the time of modification.",
    ),
)

SETTINGS = th.PropertiesList(
    th.Property("host", th.StringType, title="Host", description="Name or address of the server."),
    th.Property("port", th.IntegerType, title="Port", default=3306, description="TCP port of the server."),
    th.Property("user", th.StringType, title="User", description="Account of the server."),
    th.Property("password", th.StringType, secret=True, title="Password", description="Password of the account."),
    th.Property("database", th.StringType, title="Database", description="Database the tables are in."),
    th.Property(
        "sqlalchemy_url",
        th.StringType,
        secret=True,
        title="SQLAlchemy URL",
        description="All of the above in one: mysql+pymysql://user:password@host:3306/database.",
    ),
    th.Property(
        "ssl_ca",
        th.StringType,
        title="CA file",
        description="File of the certificate authority (PEM). With it the server's certificate and host name are "
        "verified.",
    ),
    th.Property(
        "ssl_cert", th.StringType, title="Client certificate", description="File of the client's certificate (PEM)."
    ),
    th.Property("ssl_key", th.StringType, title="Client key", description="File of the client's private key (PEM)."),
    th.Property(
        "ssl_verify",
        th.BooleanType,
        title="Verify the server",
        description="true: TLS with certificate and host name verified. false: TLS without. Not set: verified where "
        "ssl_ca is "
        "given, else TLS where the server offers it, unverified.",
    ),
    th.Property(
        "write_method",
        th.StringType,
        default="auto",
        allowed_values=["auto", "load_data", "replace", "upsert"],
        title="Write method",
        description="load_data: LOAD DATA LOCAL … REPLACE. replace: multi-row REPLACE INTO. upsert: INSERT … ON "
        "DUPLICATE KEY "
        "UPDATE, which keeps columns the stream does not have. auto: load_data where the server allows it, else "
        "replace.",
    ),
    th.Property(
        "load_method",
        th.StringType,
        default="upsert",
        allowed_values=["upsert", "append-only", "overwrite"],
        title="Load method",
        description="upsert: a record takes the place of the row with its key. append-only: every record is a new "
        "row, keys are "
        "ignored. overwrite: the records of the run replace the table, in one moment at the end.",
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1),
        default=10000,
        title="Batch size in rows",
        description="Most records in one transaction.",
    ),
    th.Property(
        "batch_size_bytes",
        th.IntegerType(minimum=1),
        default=8388608,
        title="Batch size in bytes",
        description="Most bytes of records in one transaction.",
    ),
    th.Property(
        "batch_wait_limit_seconds",
        th.IntegerType(minimum=0),
        default=30,
        title="Batch wait limit",
        description="Longest time a record waits for its batch to fill, in seconds.",
    ),
    th.Property(
        "schema_evolution",
        th.StringType,
        default="evolve",
        allowed_values=["evolve", "freeze"],
        title="Schema evolution",
        description="evolve: new columns are added, types only widened. freeze: an existing table is never altered; "
        "unknown "
        "columns are reported once and left out.",
    ),
    th.Property(
        "table_prefix", th.StringType, default="", title="Table prefix", description="Put before every table's name."
    ),
    th.Property(
        "time_zone",
        th.StringType(pattern=r"^[+-](0\d|1[0-4]):[0-5]\d$"),
        default="+08:00",
        title="Time zone",
        description="Wall clock of DATETIME columns, as an offset.",
    ),
    th.Property(
        "on_bad_row",
        th.StringType,
        default="quarantine",
        allowed_values=["quarantine", "fail"],
        title="On a bad row",
        description="quarantine: the record goes to _quarantine with the reason, the rest is written. fail: the run "
        "stops "
        "before anything of the batch is written.",
    ),
    th.Property(
        "prune",
        th.ObjectType(additional_properties=_PRUNE_RULE),
        title="Prune",
        description="{child table: {parent, on, version}}: after a flush no child row older than its parent remains.",
    ),
).to_dict()
