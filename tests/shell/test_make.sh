# shellcheck shell=bash
# The Makefile's switches: a compiler that warns fails the build in CI only, and one that does not know an option builds without it.

compile_line() { make -C "$REPO_ROOT" -n -B V=1 BUILD="$WORK/build" "$@" "$WORK/build/replicator/main.o"; }

test_warnings_are_errors_with_werror_only() {
  ! WERROR='' compile_line | grep -e -Werror || die 'warnings are errors'
  WERROR=1 compile_line | grep -e ' -Werror ' >/dev/null || die 'WERROR=1 of the environment is ignored'
  compile_line WERROR=1 | grep -e ' -Werror ' >/dev/null || die 'WERROR=1 is ignored'
}

test_compiler_without_an_option() {
  cat >"$WORK/old-compiler" <<'CC'
#!/bin/sh
case "$*" in *-ftrivial-auto-var-init*) echo "unknown option" >&2; exit 1 ;; esac
exec cc "$@"
CC
  chmod +x "$WORK/old-compiler"
  ! compile_line CC="$WORK/old-compiler" | grep -e -ftrivial || die 'the option is passed to a compiler that refuses it'
}
