# shellcheck shell=bash
# Fetches the pinned Java artifacts: stack/SET/pom.xml says which, Maven brings them, and a folder under STACK_DIR
# holds them. A folder is complete when its marker carries the hash of the pom; it is filled beside its place and
# moved there at the end, so a download that broke off is simply done again. What arrives must have the checksums of
# stack/SET/SHA256SUMS (not every repository keeps some of its own); after a change of version write that file anew:
# fetch with Maven as below and run sha256sum * there.

# stack_fetch: brings whatever the demo and the tests need. Does nothing, quickly, when all is there.
stack_fetch() {
  mkdir -p "$STACK_DIR"
  artifacts_fetch kafka "$STACK_DIR/kafka" || return 1
  artifacts_fetch debezium "$STACK_DIR/plugins/debezium"
}

# stack_complete: 0 when stack_fetch would have nothing to do.
stack_complete() {
  artifacts_complete kafka "$STACK_DIR/kafka" && artifacts_complete debezium "$STACK_DIR/plugins/debezium"
}

artifacts_hash() { cat "$REPO_ROOT/stack/$1/pom.xml" "$REPO_ROOT/stack/$1/SHA256SUMS" | sha256sum | cut -d' ' -f1; }

artifacts_complete() { [ "$(cat "$2/.complete" 2>/dev/null)" = "$(artifacts_hash "$1")" ]; }

# artifacts_fetch SET DIR: the dependencies of stack/SET/pom.xml (or the single files that it lists as artifactItem) into
# DIR; archives among them are unpacked there.
# Waits for another fetch into the same stack folder.
artifacts_fetch() (
  exec 8>"$STACK_DIR/.lock"
  flock 8
  if artifacts_complete "$1" "$2"; then exit 0; fi
  command -v mvn >/dev/null || { fail "Maven (mvn) is needed to fetch $1"; exit 1; }
  goal=copy-dependencies
  ! grep -q '<artifactItem>' "$REPO_ROOT/stack/$1/pom.xml" || goal=copy
  partial=$STACK_DIR/.partial-$1
  rm -rf "$partial"
  mkdir -p "$partial" "$(dirname "$2")"
  if ! mvn -B -q -Dstyle.color=never -f "$REPO_ROOT/stack/$1/pom.xml" "dependency:$goal" -DincludeScope=runtime \
    -Dmaven.wagon.http.retryHandler.count=3 -DoutputDirectory="$partial" >"$STACK_DIR/maven-$1.log" 2>&1 8>&-; then
    artifacts_explain "$1"
    exit 1
  fi
  if ! (cd "$partial" && sha256sum --quiet -c "$REPO_ROOT/stack/$1/SHA256SUMS") >"$STACK_DIR/checksums-$1.log" 2>&1; then
    fail "what Maven fetched for $1 is not what was expected; remove it from ~/.m2/repository and try again:" || true
    head -n 5 "$STACK_DIR/checksums-$1.log" >&2
    exit 1
  fi
  for archive in "$partial"/*.tar.gz; do
    [ -e "$archive" ] || continue
    tar -xzf "$archive" -C "$partial" --no-same-owner
    rm -f "$archive"
  done
  artifacts_hash "$1" >"$partial/.complete"
  rm -rf "$2"
  mv "$partial" "$2"
)

# Says why Maven failed, and what to do about the three usual reasons.
artifacts_explain() {
  local log=$STACK_DIR/maven-$1.log
  fail "Maven could not fetch the artifacts of $1; all of it is in $log:" || true
  grep -a -m 1 'ERROR' "$log" | cut -c1-600 >&2 || true
  if grep -qa 'PKIX\|unable to find valid certification path' "$log"; then
    say "Your network has a certificate authority of its own that Java does not know: put its certificate as a .crt file" \
      "into /usr/local/share/ca-certificates, install ca-certificates-java and run update-ca-certificates (as root)." >&2
  elif grep -qaE 'Unknown host|UnknownHostException|Connection refused|timed out|unreachable' "$log"; then
    say "The artifact repository was not reached. Behind a proxy or with a mirror of your own, say so in ~/.m2/settings.xml." >&2
  elif grep -qa 'No space left' "$log"; then
    say "The disk is full: the artifacts need 90 MB here and in ~/.m2." >&2
  fi
}
