# shellcheck shell=bash
# How Kafka's and Connect's virtual machines are started.

# java_spawn DIR HEAP CLASS [ARGUMENT…]: in the background, see process_spawn. The classpath is the stack's.
java_spawn() {
  local dir=$1 heap=$2
  shift 2
  process_spawn "$dir" "${JAVA:-java}" "-Xmx$heap" -Xms128m -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExitOnOutOfMemoryError \
    -Djava.awt.headless=true -Dlog4j2.configurationFile="$REPO_ROOT/stack/log4j2.properties" \
    -cp "$STACK_DIR/kafka/*" "$@"
}
