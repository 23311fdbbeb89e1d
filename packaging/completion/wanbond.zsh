#compdef wanbond
# Completion of wanbond(8) for zsh.

_wanbond_instances() {
  local -a names
  names=(/etc/wanbond/*.conf(N:t:r))
  _describe 'instance' names
}

_wanbond() {
  local -a commands instance
  commands=(
    'run:run a node in the foreground'
    'check:read a configuration and say what would run'
    'show:state of peers and paths of a running node'
    'top:the same, live in the terminal, with histories'
    'explain:which rule, mode and path a flow would get'
    'set:take a WAN or a path out of use by hand, or back'
    'events:its state changes, with their causes'
    'genkey:print a new private key'
    'pubkey:print the public key of a private key'
    'genpsk:print a new preshared key'
    'demo:two sites, three emulated WANs, one of them cut'
    'version:version, ciphers and I/O back ends'
  )
  if ((CURRENT == 2)); then
    _describe 'command' commands
    return
  fi
  instance=('(-c --config)'{-c,--config}'[configuration file]:file:_files'
    '1:instance:_wanbond_instances')
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
    run | top) _arguments '--help[show usage]' $instance ;;
    check) _arguments '--help[show usage]' '--keys[list all keys]' $instance ;;
    demo)
      _arguments '--help[show usage]' '--duration[seconds of traffic]:seconds:' \
        '--json[for programs]' '--keep[keep configurations and logs]'
      ;;
    show) _arguments '--help[show usage]' '--json[for programs]' $instance ;;
    explain)
      _arguments '--help[show usage]' '--proto[protocol]:protocol:(tcp udp icmp)' \
        '--sport[source port]:port:' '--dport[destination port]:port:' '--dscp[DSCP]:dscp:' \
        '--size[bytes of its first packet]:bytes:' \
        '(-c --config)'{-c,--config}'[configuration file]:file:_files' '1:source:' \
        '2:destination:' '3:instance:_wanbond_instances'
      ;;
    set)
      _arguments '--help[show usage]' \
        '(-c --config)'{-c,--config}'[configuration file]:file:_files' '1:kind:(path wan)' \
        '2:which:' '3:order:(up backup drain down)' \
        '4:instance:_wanbond_instances'
      ;;
    events)
      _arguments '--help[show usage]' '--json[for programs]' $instance \
        '(-f --follow)'{-f,--follow}'[wait for more]'
      ;;
    *) _arguments '--help[show usage]' ;;
  esac
}

_wanbond "$@"
