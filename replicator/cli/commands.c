/* commands.c - the table of commands. */
#include "cli/command.h"

const struct command commands[] = {
    {"run", "[--until-lsn LSN] [--dry-run]", "read the stream and keep the target equal to the source",
     "--until-lsn LSN  leave when the transactions up to this commit LSN of the source are in the target, and none "
     "behind it\n"
     "--dry-run        read and plan, say what would be done, write nothing; ends when Kafka holds nothing more\n"
     "SIGTERM and SIGINT finish the batch and leave, a second one leaves at once; SIGHUP reloads the log's settings.",
     command_run},
    {"check-config", "", "check the configuration and every server that it names",
     "Reports all problems at once, each with a remedy. Exit code 0: none (there may be warnings).",
     command_check_config},
    {"init", "source|target [--print | --remove] [--role ROLE] [--capture LIST] [--identity-full] [--tables]",
     "make our schema in the source or the target, or bring it up to date",
     "source: the log of schema changes, tables for heartbeats and signals of the connector, and its publication "
     "(optional);\n"
     "target: the state tables (needed).\n"
     "--print      print the SQL instead\n"
     "--remove     drop the schema; in the target the stream then forgets where it stands; the source loses the\n"
     "             publication that this command made\n"
     "--role ROLE  with source: the connector's role, which gets the rights that it needs there\n"
     "--capture L  with source: the publication has the tables that match a pattern of L (public.*,shop.*), also new "
     "ones\n"
     "--identity-full  with source: those of them that have no replica identity get a full one\n"
     "--tables     with target: also make tables, types and keys that the source has and the target lacks",
     command_init},
    {"connector", "VERB [NAME | FILE] [OPTION]…", "the connector at Kafka Connect",
     "list                     all connectors of the worker\n"
     "create [FILE]            from a file like connectors/postgres-connector.json, or from the settings; its "
     "settings\n"
     "                         and the source are checked before (--no-checks: not; --print: show what would be "
     "created)\n"
     "update [FILE]            give it this definition, whose settings are checked before, and print what changed\n"
     "validate [FILE]          let Connect and the source check the definition\n"
     "config [NAME]            its configuration, without secrets\n"
     "status [NAME] [--trace]  its state and that of its tasks, and why they failed; --trace: with the whole texts,\n"
     "                         which may hold values of rows\n"
     "pause, resume, stop [NAME]\n"
     "restart [NAME] [--all]   what failed of it, or all\n"
     "delete [NAME] [--with-slot | --slot SLOT]\n"
     "                         --with-slot: with slot, publication and offsets, for a new start, if the slot at "
     "source.dsn\n"
     "                         is surely the connector's: its reader ends with the connector; --slot: you know that "
     "it is\n"
     "offsets [NAME] [--reset] how far it read; --reset forgets it (the connector must be stopped)\n"
     "NAME is connect.connector when it is left out.",
     command_connector},
    {"status", "[--json] [--watch]", "show where the stream stands and how far it is behind",
     "--watch  again every two seconds, until CTRL-C", command_status},
    {"topics", "[--json]", "the stream's topics in Kafka: what they hold, how far the target is behind in each",
     "Size is an estimate from the newest messages, before compression. Lag is counted from the offsets in the target.",
     command_topics},
    {"peek", "TOPIC [--offset N] [--limit N] [--follow] [--raw | --explain]",
     "show messages of a topic, decoded, with their values",
     "TOPIC      its name, or without the prefix: public.users, transaction\n"
     "--offset N from there on; -N: from N before the end. Without: the newest ones\n"
     "--limit N  how many of each partition (10)\n"
     "--follow   and those that come, until CTRL-C\n"
     "--raw      key and value as they stand in Kafka\n"
     "--explain  the SQL that would run at the target, with its parameters (an array of one row each); nothing is "
     "executed",
     command_peek},
    {"pause", "", "let the daemon apply nothing until `resume`; it survives restarts",
     "The word is kept in the target. The batch at hand is finished; Kafka is read on until the queue is full.\n"
     "Mind Kafka's retention: what it removes meanwhile is missing.",
     command_pause},
    {"resume", "", "let a paused stream go on", NULL, command_resume},
    {"table", "add TABLE | resync TABLE [--compare-only] [--timeout SECONDS]",
     "one table joins the stream, or is read anew, with the stream running",
     "add     captures TABLE (schema.table) of the source: makes it in the target, adds it to publication and include\n"
     "        list of the connector, which restarts, and has its rows read\n"
     "resync  asks the connector for an incremental snapshot of TABLE, then compares the table and repairs what still\n"
     "        differs: rows that the source does not have are removed\n"
     "--compare-only  with resync: no snapshot; the comparison alone finds and repairs what differs\n"
     "--timeout SECONDS  how long the stream and the connector are waited for (60)\n"
     "Exit codes as check_target's. Both need `init source`, except resync --compare-only.",
     command_table},
    {"wait", "--lsn LSN [--timeout SECONDS]", "wait until the target shows what the source had committed at LSN",
     "Read your writes: take the position at the source after the commit (SELECT pg_current_wal_insert_lsn()).\n"
     "--timeout SECONDS  how long (60). Exit code 0: it is visible; 1: the time is over.\n"
     "In SQL, on the target: SELECT replicator.wait_for(LSN, '10 s')",
     command_wait},
    {"quarantine", "list | show ID | retry [ID] | skip ID --reason TEXT",
     "what could not be applied and was set aside (on_error = \"quarantine\")",
     "list   the transactions that were set aside, with their errors\n"
     "show   all that is kept of one, its events with all values too\n"
     "retry  apply the waiting ones in order, or the one with that ID; also while the daemon runs. Exit code 5: some "
     "wait\n"
     "       still (one that changes rows of an earlier one waits for that)\n"
     "skip   drop one; it stays in the table as skipped, with the reason. check_target will show its rows",
     command_quarantine},
    {"accept", "gap|new-slot|source", "record once what only an operator can decide",
     "Stop the daemon before gap and new-slot.\n"
     "gap       events are gone from Kafka (retention, a topic made again, another cluster): the next start goes on "
     "without\n"
     "          them, and says which transactions are not whole\n"
     "new-slot  the source's history went back (a failover that lost WAL, a restored source): the next start begins it "
     "with\n"
     "          the first transaction that the transaction topic does not contain before. Compare both sides "
     "afterwards\n"
     "          (check_target).\n"
     "source    the server that source.dsn names is the stream's source, after a failover to a standby, an upgrade or "
     "a\n"
     "          restore. Until then check_target compares with it and writes nothing",
     command_accept},
    {"schema", "TABLE", "show the versions of a table that the stream has seen, and what was done for each",
     "TABLE is schema.table, or the name of a table in public. The source's DDL log must be followed (docs/ddl.md).",
     command_schema},
    {"version", "", "show the version", NULL, command_version},
    {"config-example", "", NULL, NULL, command_config_example},
    {"config-reference", "", NULL, NULL, command_config_reference},
};
const size_t command_count = sizeof(commands) / sizeof(*commands);
