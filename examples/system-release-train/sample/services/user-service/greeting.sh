#!/bin/sh
# Greets a user by name.
echo "Hello, ${1:-stranger}!"
