# Finds out whether this machine has what a command needs, and has the rest installed by its package
# manager. With everything present it touches neither the network nor the package manager. To be
# sourced by a POSIX shell script:
#
#     root=...               # the top of the tree
#     assume_yes=            # anything but empty: install without asking (--yes)
#     . "$root/.ci/setup.sh"
#     need cc c++ meson ninja pkg-config cmocka python3 gnuplot valgrind    # those it needs
#     want liburing    # those that are of use
#     raise_descriptors
#
# What no package manager has, for tests/run --target, is fetched into build/targets.
#
# What is missing is installed by root, or when CI is set or `assume_yes` is not empty (with sudo if
# need be), or after a yes on a terminal; otherwise the script ends with status 2 and the exact
# command on stderr. Nothing is ever asked where there is no terminal.
#
# SPDX-License-Identifier: MIT

# Whether the tool $1 is here and usable. A compiler without the headers of its library is not.
setup_has() {
    case $1 in
    cc) echo '#include <stdio.h>' | cc -E -x c - ;;
    c++) echo '#include <cstdio>' | c++ -E -x c++ - ;;
    meson) meson --version | { IFS=. read -r major _ && [ "$major" -ge 1 ]; } ;;
    ninja) command -v ninja || command -v ninja-build || command -v samu ;;
    pkg-config) command -v pkg-config || command -v pkgconf ;;
    scipy) setup_python ;;
    libev) echo '#include <ev.h>' | cc -E -x c - ;;
    libevent) echo '#include <event2/event.h>' | cc -E -x c - ;;
    libuv) echo '#include <uv.h>' | cc -E -x c - ;;
    cmocka | liburing) pkg-config --exists "$1" || pkgconf --exists "$1" ;;
    *-gcc) echo '#include <stdio.h>' | "$1" -E -x c - ;;
    x86_64) [ "$(uname -m)" = x86_64 ] ;;
    cmocka-source | kernel-* | zig) [ -d "$root/build/targets/$1" ] ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

# The first python that has scipy: a system's packages are for the system's own, which need not be
# the first in PATH.
setup_python() {
    for setup_name in python3 /usr/bin/python3 /usr/local/bin/python3; do
        if "$setup_name" -c 'import scipy' 2>/dev/null; then
            echo "$setup_name"
            return
        fi
    done
    return 1
}

# The package manager of this machine.
setup_manager() {
    for setup_name in apt-get dnf pacman apk brew pkg; do
        if command -v $setup_name >/dev/null 2>&1; then
            echo $setup_name
            return
        fi
    done
}

# The packages in which the package manager $1 has the tool $2.
setup_packages() {
    case $1:$2 in
    apt-get:cc) echo gcc libc6-dev ;;
    dnf:cc) echo gcc glibc-devel libasan libubsan libtsan ;;
    apk:cc) echo gcc musl-dev ;;
    pkg:cc | pkg:c++) echo llvm ;;
    apt-get:c++ | apk:c++) echo g++ ;;
    dnf:c++) echo gcc-c++ ;;
    *:cc | *:c++) echo gcc ;;
    apt-get:ninja | dnf:ninja) echo ninja-build ;;
    apk:ninja) echo samurai ;;
    apt-get:pkg-config) echo pkg-config ;;
    dnf:pkg-config) echo pkgconf-pkg-config ;;
    *:pkg-config) echo pkgconf ;;
    apt-get:cmocka) echo libcmocka-dev ;;
    dnf:cmocka) echo libcmocka-devel ;;
    apk:cmocka) echo cmocka-dev ;;
    apt-get:liburing | apk:liburing) echo liburing-dev ;;
    dnf:liburing) echo liburing-devel ;;
    brew:liburing | pkg:liburing) ;; # it is for Linux
    pacman:python3 | brew:python3) echo python ;;
    apt-get:libev | apt-get:libevent | apk:libev | apk:libevent | apk:libuv) echo "$2-dev" ;;
    apt-get:libuv) echo libuv1-dev ;;
    dnf:libev | dnf:libevent | dnf:libuv) echo "$2-devel" ;;
    apt-get:scipy | dnf:scipy) echo python3-scipy ;;
    pacman:scipy) echo python-scipy ;;
    apk:scipy) echo py3-scipy ;;
    pkg:scipy) ;; # its name has the version of python
    *:zig) setup_has npm || echo npm ;; # to fetch it with
    *:cmocka-source | *:kernel-*) ;;    # python3 fetches them with apt-get
    apt-get:musl-gcc) echo musl-tools ;;
    apt-get:i686-linux-gnu-gcc) echo gcc-i686-linux-gnu libc6-dev-i386-cross ;;
    apt-get:aarch64-linux-gnu-gcc) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross ;;
    apt-get:s390x-linux-gnu-gcc) echo gcc-s390x-linux-gnu libc6-dev-s390x-cross ;;
    apt-get:x86_64-w64-mingw32-gcc) echo gcc-mingw-w64-x86-64 ;;
    apt-get:qemu-system-*) echo qemu-system-x86 ;;
    apt-get:qemu-*) echo qemu-user ;;
    apt-get:busybox) echo busybox-static ;;
    apt-get:wine) echo wine wine64 ;;
    *:*-gcc | *:qemu-* | *:busybox | *:wine | *:x86_64) ;; # known here of Debian only
    apt-get:gnuplot) echo gnuplot-nox ;;
    dnf:gnuplot) echo gnuplot-minimal ;;
    pkg:gnuplot) echo gnuplot-lite ;;
    *) echo "$2" ;;
    esac
}

# The command that installs the packages $2... with the package manager $1.
setup_command() {
    setup_name=$1
    shift
    setup_sudo=
    [ "$(id -u)" -eq 0 ] || [ "$setup_name" = brew ] || setup_sudo='sudo '
    case $setup_name in
    apt-get)
        echo "${setup_sudo}apt-get update &&" \
            "${setup_sudo}env DEBIAN_FRONTEND=noninteractive" \
            "apt-get install -y --no-install-recommends $*"
        ;;
    dnf) echo "${setup_sudo}dnf install -y --setopt=install_weak_deps=False $*" ;;
    pacman) echo "${setup_sudo}pacman -Sy --needed --noconfirm $*" ;;
    apk) echo "${setup_sudo}apk add $*" ;;
    brew) echo "brew install $*" ;;
    pkg) echo "${setup_sudo}pkg install -y $*" ;;
    esac
}

# Whether what is missing may be installed now; asks only a person at a terminal.
setup_allowed() {
    if [ "$(id -u)" -eq 0 ] || [ -n "${CI:-}" ] || [ -n "${assume_yes:-}" ]; then
        return 0
    fi
    [ -t 0 ] && [ -t 2 ] || return 1
    printf 'Run it now? [y/N] ' >&2
    read -r setup_answer
    case $setup_answer in
    [yY]*) return 0 ;;
    esac
    return 1
}

setup_missing() {
    setup_list=
    for setup_tool in "$@"; do
        setup_has "$setup_tool" || setup_list="$setup_list $setup_tool"
    done
    echo $setup_list
}

# Returns when every tool named is here, else ends the script with status 2.
need() {
    setup_lacks=$(setup_missing "$@")
    [ -n "$setup_lacks" ] || return 0
    echo "missing on this machine: $setup_lacks" >&2
    setup_by=$(setup_manager)
    if [ -z "$setup_by" ]; then
        echo "no package manager that is known here (apt, dnf, pacman, apk, brew, pkg):" \
            "install them by hand and try again" >&2
        exit 2
    fi
    setup_wanted='' setup_fetched='' setup_unknown='' setup_line=''
    for setup_tool in $setup_lacks; do
        setup_package=$(setup_packages "$setup_by" "$setup_tool")
        case $setup_tool in
        cmocka-source | kernel-* | zig) setup_fetched="$setup_fetched $setup_tool" ;;
        *) [ -n "$setup_package" ] || setup_unknown="$setup_unknown $setup_tool" ;;
        esac
        setup_wanted="$setup_wanted${setup_package:+ $setup_package}"
    done
    if [ -n "$setup_unknown" ]; then
        echo "not known how to install with $setup_by:$setup_unknown" >&2
        exit 2
    fi
    [ -z "$setup_wanted" ] || setup_line=$(setup_command "$setup_by" $setup_wanted)
    if [ -n "$setup_fetched" ]; then
        setup_fetched="python3 -B '$root/tests/targets/fetch.py'$setup_fetched"
        setup_line="${setup_line:+$setup_line && }$setup_fetched"
    fi
    echo "this installs them: $setup_line" >&2
    if ! setup_allowed; then
        echo "not run: run it yourself, or give --yes" >&2
        exit 2
    fi
    if ! sh -c "$setup_line" </dev/null >&2; then
        echo "that command failed: see what it printed above" >&2
        exit 2
    fi
    setup_lacks=$(setup_missing "$@")
    if [ -n "$setup_lacks" ]; then
        echo "still missing or too old (meson must be 1.0 or newer): $setup_lacks" >&2
        exit 2
    fi
}

# The same for tools that are of use but not needed: returns in any case, says what it goes on
# without, and asks nobody. What the package manager does not know is not missed.
want() {
    setup_list=
    for setup_tool in $(setup_missing "$@"); do
        [ -z "$(setup_packages "$(setup_manager)" "$setup_tool")" ] ||
            setup_list="$setup_list $setup_tool"
    done
    [ -n "$setup_list" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    (need $setup_list) </dev/null || echo "going on without:$setup_list" >&2
}

# Raises the soft limit of descriptors to the hard one, or to 65536 if that is less.
raise_descriptors() {
    setup_hard=$(ulimit -H -n)
    setup_soft=$(ulimit -S -n)
    [ "$setup_soft" != unlimited ] || return 0
    if [ "$setup_hard" = unlimited ] || [ "$setup_hard" -gt 65536 ]; then
        setup_hard=65536
    fi
    [ "$setup_soft" -ge "$setup_hard" ] || ulimit -S -n "$setup_hard"
}
