# bash completion of batonctl. Verbs and options are what `batonctl --help` says, so that none is missing here; names of
# instances, sections and hosts are those of the configuration.

# _batonctl_help SECTION WORD... : first words of the lines below SECTION: in the help of `batonctl WORD...`
_batonctl_help() {
  local section=$1
  shift
  command batonctl "$@" --help 2>/dev/null | awk -v section="$section:" '
    $0 == section { inside = 1; next }
    /^[^ ]/ || /^$/ { inside = 0 }
    inside && /^  [^ ]/ { count = split($1, names, ","); for (i = 1; i <= count; ++i) print names[i] }'
}

# _batonctl_names KIND... : of the sections [KIND NAME].
_batonctl_names() {
  local kinds
  kinds=$(IFS='|'; echo "$*")
  sed -nE "s/^[[:space:]]*\[($kinds)[[:space:]]+([^][:space:]]+)[[:space:]]*\].*/\2/p" \
    "${BATON_CONFIG:-/etc/baton/baton.conf}" /etc/baton/conf.d/*.conf 2>/dev/null
}

_batonctl_modules() {
  command batonctl plugin list 2>/dev/null | awk 'NR > 1 && /^[A-Za-z0-9_]/ && $1 != "in" { print $1 }'
}

# _batonctl_choices OPTION WORD... : the values that the help of `batonctl WORD...` has for it, as TEXT:{one,other}.
_batonctl_choices() {
  local option=$1
  shift
  command batonctl "$@" --help 2>/dev/null | awk -v option="$option" '
    /^  -/ {
      count = split($1, names, ",")
      for (i = 1; i <= count; ++i) if (names[i] == option && match($2, /:\{.*\}/)) {
        list = substr($2, RSTART + 2, RLENGTH - 3)
        gsub(",", "\n", list)
        print list
      }
    }'
}

# _batonctl_values OPTION WORD... : 1 when nothing is known of it.
_batonctl_values() {
  local choices
  choices=$(_batonctl_choices "$@")
  if [[ -n $choices ]]; then
    COMPREPLY=($(compgen -W "$choices" -- "$cur"))
    return
  fi
  case $1 in
    --to | --host) COMPREPLY=($(compgen -W "$(_batonctl_names peer)" -- "$cur")) ;;
    --runtime-dir | --plugin-dir) COMPREPLY=($(compgen -d -- "$cur")) ;;
    --config | --output | --write | --textfile) COMPREPLY=($(compgen -f -- "$cur")) ;;
    --for | --confirm-within) COMPREPLY=($(compgen -W "60s 10m 30m 1h 2h" -- "$cur")) ;;
    --verb | --limit | --listen | --count) ;;
    *) return 1 ;;
  esac
}

_batonctl() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word verbs="" positional
  local -a path=()
  COMPREPLY=()
  local i known
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    case $word in
      --) return ;;
      --runtime-dir | --plugin-dir) ((++i)); continue ;;
      -*) continue ;;
    esac
    known=$(_batonctl_help Subcommands "${path[@]}")
    grep -qxF -- "$word" <<<"$known" || break
    path+=("$word")
  done
  if [[ $previous == -* ]] && _batonctl_values "$previous" "${path[@]}"; then return; fi
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$(_batonctl_help Options "${path[@]}")" -- "$cur"))
    return
  fi
  verbs=$(_batonctl_help Subcommands "${path[@]}")
  if [[ -n $verbs ]]; then
    COMPREPLY=($(compgen -W "$verbs" -- "$cur"))
    return
  fi
  for positional in $(_batonctl_help Positionals "${path[@]}"); do
    case $positional in
      INSTANCE) COMPREPLY=($(compgen -W "$(_batonctl_names instance group)" -- "$cur")) ;;
      SECTION) COMPREPLY=($(compgen -W "$(_batonctl_names plugin)" -- "$cur")) ;;
      NAME) COMPREPLY=($(compgen -W "$(_batonctl_modules)" -- "$cur")) ;;
      *) COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
    return
  done
}
complete -o filenames -o bashdefault -F _batonctl batonctl
