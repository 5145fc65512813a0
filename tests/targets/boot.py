"""A virtual machine for the test programs: booted once, it runs commands as if they were run here.

The guest has a kernel, busybox, and programs and libraries of this machine under the same names as
here, all in an initramfs: no disk, and no network but its own loopback. In place of an agent it has
shells, one on each serial port (the script init), and here all of them listen on one socket: who
connects has a shell that is free, or waits until one is. As a program,

    boot.py FOLDER COMMAND...

runs a command in the guest that works in FOLDER: in the same directory as here, with the same
variables of ours, the same output and the same end. Nobody need clean up after a command that was
killed: whoever comes next ends what still runs on his port.

A boot takes 5 seconds and a command 0.1 more than its own time. Without KVM it is interpreted, and
takes about ten times as long as here.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import pathlib
import secrets
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys

PORTS = 3  # of the four that a PC has; the first is the console
HANGS = 300  # a boot that takes so many seconds

# How a processor is come by: the fast way, if this machine has it, and the one that always works.
PROCESSORS = [['-accel', 'kvm', '-cpu', 'host'], ['-accel', 'tcg', '-cpu', 'max']]


class Gone(Exception):
    """There is no guest; the text is what it said at last."""


def entry(name, mode, content=b''):
    """One file of an archive as cpio writes it, in the format that kernels unpack ("newc")."""
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    head = b'070701' + b''.join(b'%08X' % field for field in fields) + name.encode() + b'\0'
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def archive(files):
    """An initramfs with these files: from the path in the guest to that of here."""
    folders = {'/proc', '/sys', '/dev', '/tmp'}
    for name in files:
        folders.update(map(str, pathlib.PurePath(name).parents))
    for folder in sorted(folders - {'/'}):
        yield entry(folder[1:], stat.S_IFDIR | 0o755)
    for name, path in files.items():
        yield entry(name[1:], stat.S_IFREG | 0o755, pathlib.Path(path).read_bytes())
    yield entry('TRAILER!!!', 0)


def libraries_of(programs):
    """The shared libraries and the dynamic linker that programs need, by the names they use."""
    said = subprocess.run(['ldd', *programs], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          encoding='utf-8').stdout
    return {word for line in said.splitlines() if line.startswith('\t')
            for word in line.split() if word.startswith('/')}


def pack(programs, folder):
    """Writes the initramfs of a guest that has these programs."""
    busybox = shutil.which('busybox')
    programs = [*map(str, programs), busybox]
    files = {name: name for name in [*programs, *sorted(libraries_of(programs))]}
    files['/bin/busybox'] = busybox
    files['/init'] = pathlib.Path(__file__).with_name('init')
    (folder / 'initramfs').write_bytes(b''.join(archive(files)))


def start(kernel, folder, processor, door, jobs):
    """Starts a machine, which ends with this process. Each of its serial ports takes connections to
    a socket that listens, one after another; the machine waits for the first of each. Its clock is
    the counter of its processor, which Linux would not trust: to read any other takes longer than
    most system calls."""
    ends = [os.dup(door.fileno()) for _ in range(jobs)]
    ports = [word for end in ends for word in
             ('-chardev', f'socket,id=port{end},fd={end},server=on,wait=on',
              '-serial', f'chardev:port{end}')]
    try:
        with open(folder / 'qemu', 'wb') as errors:
            return subprocess.Popen(
                ['setpriv', '--pdeathsig', 'KILL', 'qemu-system-x86_64', *processor,
                 '-smp', str(jobs), '-m', '1024', '-nodefaults', '-display', 'none', '-no-reboot',
                 '-kernel', str(kernel), '-initrd', str(folder / 'initramfs'),
                 '-append', 'console=ttyS0 quiet oops=panic panic=-1 mitigations=off tsc=reliable',
                 '-serial', f'file:{folder / "console"}', *ports],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                start_new_session=True, pass_fds=ends)
    finally:
        for end in ends:
            os.close(end)


def connect(folder, limit=None):
    """A connection to a port that is free, or will be, as a file; reads take no longer than the
    limit, in seconds."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(limit)
    connection.connect(str(folder / 'door'))
    return connection.makefile('rwb')


def is_ready(port):
    """Whether a port's shell has come up, as it says; the connection is closed."""
    with port:
        try:
            return port.readline() != b''
        except OSError:
            return False


def boot(kernel, folder, processor, jobs):
    """A machine whose guest is ready at all ports; None if it has come to nothing."""
    (folder / 'door').unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / 'door'))
        door.listen()
        door.setblocking(False)  # several ports ask it for the same connection
        machine = start(kernel, folder, processor, door, jobs)
        ports = [connect(folder, HANGS) for _ in range(jobs)]
    if all([is_ready(port) for port in ports]):
        return machine
    machine.kill()
    machine.wait()
    return None


@contextlib.contextmanager
def guest(kernel, folder, programs, jobs):
    """A guest with these programs, in which so many commands can be run at a time, while the block
    lasts; yields the words before a command."""
    folder.mkdir(parents=True, exist_ok=True)
    pack(programs, folder)
    machines = (boot(kernel, folder, processor, jobs) for processor in PROCESSORS)
    machine = next(filter(None, machines), None)
    if machine is None:
        raise Gone(last_words(folder))
    try:
        yield [sys.executable, '-B', __file__, str(folder)]
    finally:
        machine.kill()
        machine.wait()


def last_words(folder):
    """What was said when the guest went, or did not come."""
    said = ''.join((folder / name).read_text(errors='replace') for name in ('qemu', 'console'))
    return 'the guest is gone: ' + '\n'.join(said.splitlines()[-40:])


def run(folder, command):
    """Runs a command in the guest; its status as a shell tells it. What ran before on this port is
    a group of processes whose number cannot be another's yet: nobody has waited for it."""
    mark = secrets.token_hex(8)
    ours = [f'{name}={value}' for name, value in os.environ.items() if name.startswith('ROUSE_')]
    job = f'cd {shlex.quote(os.getcwd())}; env {shlex.join(ours + command)}; ' \
          f'printf "\\n{mark} %s\\n" $?'
    asked = f'kill -9 -$job; wait; echo {mark}; setsid sh -c {shlex.quote(job)} </dev/null & job=$!'
    try:
        port = connect(folder)
        port.write(asked.encode() + b'\n')
        port.flush()
        for line in port:
            if line.strip() == mark.encode():
                break
        for line in port:
            if line.startswith(mark.encode()):
                return int(line.split()[1])
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
    except OSError:
        pass
    print(last_words(folder))
    return 1


if __name__ == '__main__':
    status = run(pathlib.Path(sys.argv[1]), sys.argv[2:])
    if 128 < status < 128 + signal.NSIG:
        os.kill(os.getpid(), status - 128)  # as the command was
    sys.exit(status)
