#!/usr/bin/env bash
# Install the optional system programs that some tests use: SLURM, bcftools, Chromium, and other programs that read what is written.
# Needs root and Debian's apt-get; does nothing elsewhere. Tests whose program is missing are skipped and say so.
set -u
missing=()
command -v slurmctld >/dev/null || missing+=(slurm-wlm)
command -v munged >/dev/null || missing+=(munge)
command -v bcftools >/dev/null || missing+=(bcftools)
command -v tabix >/dev/null || missing+=(tabix)
for program in samtools vcftools plink2 beagle minimac4; do
  command -v $program >/dev/null || missing+=($program)
done
command -v chromium >/dev/null || missing+=(chromium)
command -v chromedriver >/dev/null || missing+=(chromium-driver)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "optional test programs not installed: ${missing[*]}" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null 2>&1
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
  echo "optional test programs could not be installed: ${missing[*]}" >&2
exit 0
