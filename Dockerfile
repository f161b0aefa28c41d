# bin/replicator and bin/check_target in a small image: docker build -t replicator .
# To run it on databases of your own, mount a configuration at /etc/replicator/replicator.conf. The root file system can be
# read-only and all capabilities dropped. ca/: see ca/README.md.

FROM debian:bookworm-slim AS build
COPY ca/ /usr/local/share/ca-certificates/
WORKDIR /src
COPY stack/lib/packages.sh stack/lib/
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends $(bash -c '. stack/lib/packages.sh; packages_build')
COPY Makefile replicator.conf.example ./
COPY sql/ sql/
COPY replicator/ replicator/
COPY stack/systemd/ stack/systemd/
COPY stack/monitoring/ stack/monitoring/
RUN make -s -j"$(nproc)" install DESTDIR=/out \
 && strip --strip-unneeded /out/usr/local/bin/*
# The packages that hold the libraries which the programs were linked with, so that the list follows the code.
RUN ldd /out/usr/local/bin/* | awk '$2 == "=>" { print $3 }' | sort -u | while read -r library; do \
      file=$(readlink -f "$library"); \
      dpkg-query -S "$file" 2>/dev/null || dpkg-query -S "${file#/usr}"; \
    done | cut -d: -f1 | sort -u > /out/packages && test -s /out/packages

FROM debian:bookworm-slim
COPY ca/ /usr/local/share/ca-certificates/
RUN --mount=type=bind,from=build,source=/out,target=/out \
    apt-get update -q \
 && apt-get install -y -q --no-install-recommends ca-certificates $(cat /out/packages) \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/* /usr/share/doc/* /usr/share/man/* \
 && useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent replicator \
 && mkdir -p /etc/replicator && chown replicator: /etc/replicator \
 && cp -r /out/usr/local/. /usr/local/
USER replicator
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s \
  CMD replicator status --json | grep -Eq '"active": *true'
ENTRYPOINT ["replicator"]
CMD ["run"]
