#!/bin/bash
# The whole tree is formatted by .clang-format (version 14).
cd "$(dirname "$0")/../.."
git ls-files '*.h' '*.cc' | xargs clang-format-14 --dry-run --Werror
