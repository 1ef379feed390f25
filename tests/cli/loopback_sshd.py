"""An sshd of a test's own on the loopback interface, in the part of a board."""

import getpass
import os
import pathlib
import shutil
import socket
import subprocess
import time

PROGRAM = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
MISSING = "no sshd here (openssh-server)"  # the reason to skip a test where PROGRAM is None


class LoopbackSshd:
    """Runs from start() to stop(); all that it needs is made in `folder`.

    Whoever logs in lands in the board's home, an empty folder. A command is run there by the shell, or by `script` if that is given: the text of
    a shell script that finds it in $SSH_ORIGINAL_COMMAND and has the sshd of the connection for its parent.
    """

    def __init__(self, folder: pathlib.Path, script: str = 'eval "$SSH_ORIGINAL_COMMAND"\n'):
        self.folder, self.home = folder, folder / "board"
        self.home.mkdir()
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (folder / "board.sh").write_text(f"cd {self.home} || exit 1\n{script}")
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
            f"StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nForceCommand exec sh {folder}/board.sh\n")
        # The user's own settings have no part in this.
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        client = bin_folder / "ssh"
        client.write_text(f"#!/bin/sh\nexec {shutil.which('ssh')} -F none -i {folder}/user -o IdentitiesOnly=yes -o StrictHostKeyChecking=no "
                          f"-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \"$@\"\n")
        client.chmod(0o755)
        self.runner = f"ssh:{getpass.getuser()}@127.0.0.1:{self.port}"
        self.environment = {"PATH": f"{bin_folder}:{os.environ['PATH']}"}  # of who logs in

    def start(self) -> None:
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(exist_ok=True)  # sshd of root asks for it
        self.process = subprocess.Popen([PROGRAM, "-D", "-e", "-f", self.folder / "sshd_config"], stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.process.kill()
        raise RuntimeError(f"sshd does not start: {self.process.communicate()[1]}")

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()

    def measuring_folders(self) -> list:
        """Where octile tune puts its programs, each in a folder with the answers that it kept."""
        return list((self.home / ".cache/octile-measure").iterdir())
