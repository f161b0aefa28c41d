# shellcheck shell=bash
# How Kafka's and Connect's virtual machines are started.

# java_command HEAP CLASS [ARGUMENT…]: the command line into the array JAVA_COMMAND. The classpath is the stack's.
java_command() {
  local heap=$1
  shift
  JAVA_COMMAND=("${JAVA:-java}" "-Xmx$heap" -Xms128m -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExitOnOutOfMemoryError
    -Djava.awt.headless=true -Dlog4j2.configurationFile="$REPO_ROOT/stack/log4j2.properties"
    -cp "$STACK_DIR/kafka/*" "$@")
}

# java_spawn DIR HEAP CLASS [ARGUMENT…]: in the background, see process_spawn.
java_spawn() {
  local dir=$1
  shift
  java_command "$@"
  process_spawn "$dir" "${JAVA_COMMAND[@]}"
}

# java_exec HEAP CLASS [ARGUMENT…]: in place of this shell (in a container).
java_exec() {
  java_command "$@"
  exec "${JAVA_COMMAND[@]}"
}
