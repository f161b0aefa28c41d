# shellcheck shell=bash disable=SC2034
# What a seed does, drawn before anything starts.

LOAD_SECONDS=${FAULTS_SECONDS:-30}
# Name and weight. connect_kill takes half a minute of Connect's own start.
ACTIONS='kill_daemon:6 stop_daemon:4 term_daemon:2 kill_backend:2 end_sessions:3 target_crash:3 source_crash:1 broker_kill:1
broker_restart:1 connector_restart:1 connect_kill:1 lock_table:2 cancel_statements:2 target_cut:2 target_stall:2 target_delay:1 kafka_cut:2
kafka_stall:1 kafka_delay:1 source_cut:1 source_stall:1 block_checkpoint:2 another_instance:2 target_torn:2 target_lost:2 kafka_torn:1 kafka_lost:1 source_torn:1
source_lost:1 end_walsender:1'
PACKET_ACTIONS='target_loss:2 target_silence:2 kafka_loss:1 kafka_silence:1 source_loss:1 source_silence:1'
# random N: sets DRAWN to 0 … N-1.
random() { DRAWN=$(((RANDOM * 32768 + RANDOM) % $1)); }

# some_have DRAWN ACTION…: prints 1 when a seed has what these actions need: by what was drawn, or since they were asked for.
some_have() {
  local name drawn=$1
  shift
  for name in "$@"; do ! only "$name" || drawn=0; done
  if [ "$drawn" = 0 ]; then echo 1; else echo 0; fi
}

# only NAME: the command line asks for this action.
only() { [[ " ${ONLY_ACTIONS:-} " == *" $1 "* ]]; }

plan_draw_action() {
  local entry sum=0 name
  local -a list=()
  for entry in $PLAN_ACTIONS; do
    name=${entry%:*}
    [ -z "${ONLY_ACTIONS:-}" ] || only "$name" || continue
    list+=("$entry") sum=$((sum + ${entry#*:}))
  done
  [ "$sum" -gt 0 ] || die "there is no action of that name"
  random "$sum"
  for entry in "${list[@]}"; do
    DRAWN=$((DRAWN - ${entry#*:}))
    [ "$DRAWN" -ge 0 ] || { DREW=${entry%:*}; return; }
  done
}

# plan_make SEED: sets PLAN_* and the arrays ACTION_AT (milliseconds), ACTION_NAME, ACTION_NUMBER (for the action's own choices),
# ACTION_PAIRED (at once with the next).
plan_make() {
  local at count i
  RANDOM=$(($1 % 2147483647)); random 2; random 2 # the first numbers of seeds side by side are alike
  random 3; PLAN_INSTANCES=$((DRAWN + 1))
  random 2; PLAN_SYNCHRONOUS=$([ "$DRAWN" = 0 ] && echo true || echo false)
  random 3; PLAN_PARTITIONS=$([ "$DRAWN" = 0 ] && echo 3 || echo 1)
  random 4; PLAN_SINGLE=$([ "$DRAWN" = 0 ] && echo 1 || echo 0)
  random 3; PLAN_BATCH_ROWS=$([ "$DRAWN" = 0 ] && echo 50 || echo 10000)
  random 60; PLAN_RATE=$((20 + DRAWN))
  random 3; PLAN_CLIENTS=$((DRAWN + 1))
  PLAN_ACTIONS=$ACTIONS
  random 4; PLAN_STANDBY=$(some_have "$DRAWN" promote)
  random 4; PLAN_DISKS=$(some_have "$DRAWN" target_full spill_full)
  random 4; PLAN_CLOCK=$(some_have "$DRAWN" clock_jump)
  random 4; PLAN_FRAGILE=$(some_have "$DRAWN" task_failure)
  [ "$PLAN_STANDBY" = 0 ] || PLAN_DISKS=0 # a base backup has no place for another tablespace
  packets_can_be_lost && PLAN_ACTIONS+=" $PACKET_ACTIONS"
  [ "$PLAN_STANDBY" = 0 ] || PLAN_ACTIONS+=' promote:8'
  disks_can_be_made || PLAN_DISKS=0
  [ "$PLAN_DISKS" = 0 ] || PLAN_ACTIONS+=' target_full:6 spill_full:6'
  [ "$PLAN_CLOCK" = 0 ] || PLAN_ACTIONS+=' clock_jump:10'
  [ "$PLAN_FRAGILE" = 0 ] || PLAN_ACTIONS+=' task_failure:8'
  random 3
  PLAN_RESNAPSHOTS=$(some_have "$DRAWN" snapshot_incremental snapshot_blocking snapshot_broken_off snapshot_again emptied_before_snapshot topic_deleted)
  [ "$PLAN_RESNAPSHOTS" = 0 ] || PLAN_ACTIONS+=" $RESNAPSHOT_ACTIONS"
  ACTION_AT=() ACTION_NAME=() ACTION_NUMBER=() ACTION_PAIRED=()
  random 4; count=$((6 + DRAWN))
  for ((i = 0; i < count; i++)); do
    random $((LOAD_SECONDS * 1000 / count)); at=$((LOAD_SECONDS * 1000 / count * i + DRAWN))
    plan_draw_action; ACTION_NAME+=("$DREW") ACTION_AT+=("$at")
    random 32768; ACTION_NUMBER+=("$DRAWN")
    random 4; ACTION_PAIRED+=("$DRAWN")
  done
}

plan_print() {
  local i
  note "instances $PLAN_INSTANCES, synchronous_commit $PLAN_SYNCHRONOUS, partitions $PLAN_PARTITIONS, single stream $PLAN_SINGLE, batch_rows $PLAN_BATCH_ROWS, standby $PLAN_STANDBY, small disks $PLAN_DISKS, clock $PLAN_CLOCK, task without retries $PLAN_FRAGILE, snapshots $PLAN_RESNAPSHOTS, $PLAN_RATE transactions a second by $PLAN_CLIENTS clients"
  for ((i = 0; i < ${#ACTION_NAME[@]}; i++)); do
    note "$(printf '%6d ms %s (%d)%s' "${ACTION_AT[i]}" "${ACTION_NAME[i]}" "${ACTION_NUMBER[i]}" "$([ "${ACTION_PAIRED[i]}" -eq 0 ] && echo ' and at once')")"
  done
}
