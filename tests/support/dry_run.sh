#!/usr/bin/env bash
# In the place of a program, in a block of the documentation that cannot be run here whole (tests/support/pages.py).
# It comes first on PATH, and the program itself is further on.
set -e
name=${0##*/}
export PATH="${PATH#*:}"
echo "dry run: $name $*" >&2
case $name in
docker)
    case $1 in
    build) [ -f "${!#}/Dockerfile" ] ;;
    compose) [ -f "$3" ] ;;
    network) echo 127.0.0.1 ;;
    esac
    ;;
kubectl)
    case " $* " in
    " thing "*) thing-operator "$@" --help >/dev/null ;;
    *" port-forward "*) ;;
    *" create namespace "* | *" create token "*) kubectl "$@" ;;
    # Only a kubelet makes it roll out: that it is there is what can be seen.
    *" rollout status "*)
        for word in "$@"; do
            shift
            case $word in rollout) ;; status) set -- "$@" get ;; *) set -- "$@" "$word" ;; esac
        done
        kubectl "$@"
        ;;
    *" create "* | *" apply "* | *" patch "* | *" delete "* | *" label "*) kubectl "$@" --dry-run=server ;;
    *) kubectl "$@" ;;
    esac
    ;;
helm)
    if [ "$1" = test ]; then
        helm get hooks "${@:2}" | grep --quiet 'helm.sh/hook: test'
    else
        helm "$@"
    fi
    ;;
make) make --dry-run "$@" ;;
thing-operator) thing-operator "$@" --help >/dev/null ;;
esac
