# Completions of portmapd for bash.

_portmapd() {
    local kind words
    case $3 in
    --config | --socket) kind=-f ;;
    --state-dir | export | import) kind=-d ;;
    --user) kind=-u ;;
    --udp-dump) words=full ;;
    -h | --listen | --port | --max-per-uid | --status) return ;;
    *) words='export import -a -d -f -h -i -L -l -r -s -w --listen --port --socket --state-dir
        --any-registration --bind-to-peer --max-per-uid --user --config --check-config --status --no-sandbox --no-prune --udp-dump
        --help --version' ;;
    esac
    mapfile -t COMPREPLY < <(compgen ${kind:--W "$words"} -- "$2")
}

complete -o filenames -F _portmapd portmapd
