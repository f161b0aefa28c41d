# shellcheck shell=bash disable=SC2034
# What a seed does, drawn before anything starts.

LOAD_SECONDS=${FAULTS_SECONDS:-30}
# Name and weight. connect_kill takes half a minute of Connect's own start.
ACTIONS='kill_daemon:6 stop_daemon:4 term_daemon:2 kill_backend:2 end_sessions:3 target_crash:3 source_crash:1 broker_kill:1
broker_restart:1 connector_restart:1 connect_kill:1 lock_table:2 cancel_statements:2 target_cut:2 target_stall:2 target_delay:1 kafka_cut:2
kafka_stall:1 kafka_delay:1 source_cut:1 block_checkpoint:2'
# random N: sets DRAWN to 0 … N-1.
random() { DRAWN=$(((RANDOM * 32768 + RANDOM) % $1)); }

plan_draw_action() {
  local entry sum=0 name
  local -a list=()
  for entry in $ACTIONS; do
    name=${entry%:*}
    [ -z "${ONLY_ACTIONS:-}" ] || [[ " $ONLY_ACTIONS " == *" $name "* ]] || continue
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
  RANDOM=$(($1 % 32768)); random 100; RANDOM=$((($1 / 32768 + DRAWN * 331) % 32768))
  random 3; PLAN_INSTANCES=$((DRAWN + 1))
  random 2; PLAN_SYNCHRONOUS=$([ "$DRAWN" = 0 ] && echo true || echo false)
  random 3; PLAN_PARTITIONS=$([ "$DRAWN" = 0 ] && echo 3 || echo 1)
  random 4; PLAN_SINGLE=$([ "$DRAWN" = 0 ] && echo 1 || echo 0)
  random 3; PLAN_BATCH_ROWS=$([ "$DRAWN" = 0 ] && echo 50 || echo 10000)
  random 60; PLAN_RATE=$((20 + DRAWN))
  random 3; PLAN_CLIENTS=$((DRAWN + 1))
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
  note "instances $PLAN_INSTANCES, synchronous_commit $PLAN_SYNCHRONOUS, partitions $PLAN_PARTITIONS, single stream $PLAN_SINGLE, batch_rows $PLAN_BATCH_ROWS, $PLAN_RATE transactions a second by $PLAN_CLIENTS clients"
  for ((i = 0; i < ${#ACTION_NAME[@]}; i++)); do
    note "$(printf '%6d ms %s (%d)%s' "${ACTION_AT[i]}" "${ACTION_NAME[i]}" "${ACTION_NUMBER[i]}" "$([ "${ACTION_PAIRED[i]}" -eq 0 ] && echo ' and at once')")"
  done
}
