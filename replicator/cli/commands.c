/* commands.c - the table of commands. */
#include "cli/command.h"

const struct command commands[] = {
    {"run", "[--until-lsn LSN]", "read the stream and keep the target equal to the source",
     "--until-lsn LSN  leave once the transactions up to this commit LSN of the source are in the target\n"
     "SIGTERM and SIGINT finish the batch and leave, a second one leaves at once; SIGHUP reloads the log's settings.",
     command_run},
    {"check-config", "", "check the configuration and every server that it names",
     "Reports all problems at once, each with a remedy. Exit code 0: none (there may be warnings).",
     command_check_config},
    {"init", "source|target [--print | --remove] [--role ROLE]",
     "make our schema in the source or the target, or bring it up to date",
     "source: the tables for heartbeats and signals of the connector (optional); target: the state tables (needed).\n"
     "--print      print the SQL instead\n"
     "--remove     drop the schema; in the target the stream then forgets where it stands\n"
     "--role ROLE  with source: ROLE, the connector's or one that it is a member of, becomes the tables' owner",
     command_init},
    {"status", "[--json]", "show where the stream stands and how far it is behind", NULL, command_status},
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
    {"version", "", "show the version", NULL, command_version},
    {"config-example", "", NULL, NULL, command_config_example},
    {"config-reference", "", NULL, NULL, command_config_reference},
};
const size_t command_count = sizeof(commands) / sizeof(*commands);
