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
    {"init", "target [--print | --remove]", "make the state tables in the target, or bring them up to date",
     "--print   print the SQL instead\n"
     "--remove  drop the state tables: the stream forgets where it stands",
     command_init},
    {"status", "[--json]", "show where the stream stands and how far it is behind", NULL, command_status},
    {"version", "", "show the version", NULL, command_version},
    {"config-example", "", NULL, NULL, command_config_example},
    {"config-reference", "", NULL, NULL, command_config_reference},
};
const size_t command_count = sizeof(commands) / sizeof(*commands);
