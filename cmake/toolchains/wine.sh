#!/bin/sh
# Runs a program for Windows. Debian puts wine64 where the PATH does not lead.
PATH=$PATH:/usr/lib/wine WINEDEBUG=${WINEDEBUG:--all} exec wine64 "$@"
