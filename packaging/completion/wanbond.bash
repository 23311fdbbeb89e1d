# Completion of wanbond(8) for bash.
_wanbond() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
  local commands='run check show top explain set events genkey pubkey genpsk demo version'
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$word")
    return
  fi
  if [[ $before == -c || $before == --config ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    return
  fi
  local names='' options='--help'
  if [[ $command == set && $word != -* ]]; then
    case $COMP_CWORD in
      2) mapfile -t COMPREPLY < <(compgen -W 'path wan' -- "$word") ;;
      4) mapfile -t COMPREPLY < <(compgen -W 'up backup drain down' -- "$word") ;;
    esac
    ((COMP_CWORD > 4)) || return
  fi
  case $command in
    run | check | show | top | explain | set | events)
      names=$(cd /etc/wanbond 2>/dev/null && for file in *.conf; do
        [[ -e $file ]] && printf '%s ' "${file%.conf}"
      done)
      options+=' --config'
      ;;
  esac
  case $command in
    check) options+=' --keys' ;;
    demo) options+=' --duration --json --keep' ;;
    show) options+=' --json' ;;
    events) options+=' --follow --json' ;;
    explain) options+=' --proto --sport --dport --dscp --size' ;;
  esac
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
  fi
}
complete -F _wanbond wanbond
