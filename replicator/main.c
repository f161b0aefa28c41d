/* main.c - bin/replicator. The commands are in cli/; the daemon is wired in cli/run.c. */
#include "cli/command.h"

int main(int argc, char **argv)
{
	return command_main(argc, argv);
}
