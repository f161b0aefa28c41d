# shellcheck shell=bash
# The servers around the replicator, for the demo, the tests and the benchmarks alike: each is started in a folder and
# on a port of the caller's choice, listens on 127.0.0.1 alone and is stopped by pid. A start of what runs already is
# a success; so is a stop of what does not run.
#
#   . stack/lib/services.sh
#   stack_fetch                                      # Kafka, Connect and Debezium into STACK_DIR (once)
#   home=$(services_home mytests); mkdir -p "$home"
#   pg_start "$home/source" 6432 fsync=off           # wal_level is logical already
#   kafka_start "$home/kafka" 6092                   # its controller listens on 6093
#   connect_start "$home/connect" 6083 127.0.0.1:6092
#   connector_register http://127.0.0.1:6083 FILE && connector_wait_running http://127.0.0.1:6083 NAME
#   …
#   connect_stop "$home/connect"; kafka_stop "$home/kafka"; pg_stop "$home/source"
#
# Each folder holds `log` (log.1: of the run before), `pid` and `data`. pg_pid, kafka_pid, connect_pid DIR print the
# pid (1 if not running), to kill -9 or -STOP it. Functions return 1 with a message on stderr when they fail.

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$STACK_LIB/process.sh"
. "$STACK_LIB/artifacts.sh"
. "$STACK_LIB/postgres.sh"
. "$STACK_LIB/java.sh"
. "$STACK_LIB/kafka.sh"
. "$STACK_LIB/connect.sh"
. "$STACK_LIB/registry.sh"
