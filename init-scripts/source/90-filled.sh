# For the container's health check and ./setup.sh: all scripts before this one went well.
touch "$PGDATA/filled"
