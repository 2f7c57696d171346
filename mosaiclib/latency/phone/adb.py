"""An Android phone as adb shows it: commands, what it is, and how warm."""

import re
import shutil
import subprocess
from dataclasses import dataclass

TIMEOUT_S = 600


class PhoneGone(ValueError):
    """The phone no longer answers."""


@dataclass(frozen=True)
class Phone:
    """A phone that adb reaches, by its serial number."""

    serial: str

    def adb(self, *arguments):
        """What an adb command prints. Raises PhoneGone, or ValueError with adb's own words."""
        try:
            done = _adb("-s", self.serial, *arguments, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise PhoneGone(f"The phone {self.serial} did not answer within {TIMEOUT_S} s.") from None
        if done.returncode == 0:
            return done.stdout
        said = " ".join((done.stderr or done.stdout).split())
        if re.search(r"device .*not found|no devices|offline|closed|unauthorized", said):
            raise PhoneGone(f"The phone {self.serial} is gone: {said.removeprefix('error: ').removeprefix('adb: ')}.")
        raise ValueError(f"adb {arguments[0]} failed: {said}.")

    def shell(self, command):
        """(output, exit status) of a command on the phone, both streams together."""
        text = self.adb("shell", f"({command}) 2>&1; status=$?; echo; echo status=$status")
        output, mark, status = text.rpartition("status=")
        if not mark:
            raise PhoneGone(f"The phone {self.serial} went away while it was running a command.")
        return output, int(status.split()[0])

    def describe(self):
        """{"model", "soc", "android", "abi"} from the phone's properties."""
        known = dict(re.findall(r"^\[(.+?)\]: \[(.*)\]\s*$", self.shell("getprop")[0], re.MULTILINE))
        soc = [known.get(name) for name in ("ro.soc.manufacturer", "ro.soc.model")]
        return {
            "model": " ".join(known.get(f"ro.product.{name}", "") for name in ("manufacturer", "model")).strip(),
            "soc": " ".join(filter(None, soc)) or known.get("ro.board.platform", "unknown"),
            "android": known.get("ro.build.version.release", "unknown"),
            "abi": known.get("ro.product.cpu.abi", "unknown"),
        }

    def heat(self):
        """{"battery_c", "hottest_c", "thermal_status"}: degrees and Android's 0 (none) to 6; None if it is silent."""
        battery = re.search(r"^\s*temperature: (-?\d+)", self.shell("dumpsys battery")[0], re.MULTILINE)
        service = self.shell("dumpsys thermalservice")[0]
        status = re.search(r"Thermal Status: (\d+)", service)
        sensors = re.findall(r"Temperature\{mValue=(-?[\d.]+), mType=[013],", service)  # CPU, GPU, skin
        return {
            "battery_c": int(battery[1]) / 10 if battery else None,
            "hottest_c": max(map(float, sensors), default=None),
            "thermal_status": int(status[1]) if status else None,
        }


_STARTED = "is started in {}, where nothing can be timed: restart it"
# What adb says of a phone (its connection states), and what to do where it cannot be used.
_STATES = {
    "device": None,
    "unauthorized": "does not trust this computer yet: allow it on the phone's screen",
    "authorizing": "is asking whether to trust this computer: allow it on the phone's screen, then run this again",
    "connecting": "is still connecting: run this again in a moment",
    "offline": "is offline: plug it in again, or run `adb kill-server`",
    "no permissions": "may not be used by this account: install udev rules for it (Debian: apt-get install "
    "android-sdk-platform-tools-common), or join the group plugdev, then plug it in again",
    **{state: _STARTED.format(state) for state in ("recovery", "rescue", "sideload", "bootloader", "host")},
}


def find_phone(serial=None) -> Phone:
    """The phone to measure. Raises ValueError that says what to do where there is not just one."""
    done = _adb("devices", "-l")
    if done.returncode:
        raise ValueError(f"adb devices failed: {' '.join((done.stderr or done.stdout).split())}.")
    lines = [line for line in done.stdout.splitlines() if not re.match(r"\s*$|\* |List of devices", line)]
    states = re.compile(rf"(?P<serial>\S.*?)\s+(?P<words>(?P<state>{'|'.join(_STATES)})\b.*)")
    matches = [states.match(line) or re.match(r"(?P<serial>\S+)\s+(?P<words>(?P<state>.+))", line) for line in lines]
    found = {match["serial"]: (match["state"], match["words"].strip()) for match in matches if match}
    if serial and serial not in found:
        raise ValueError(f"There is no phone {serial}: adb sees {', '.join(found) or 'none'}.")
    if not found:
        raise ValueError("There is no phone: connect one, and allow USB debugging in its developer options.")
    if not serial and len(found) > 1:
        raise ValueError(f"There are several phones: choose one of {', '.join(found)} with --serial.")
    serial = serial or next(iter(found))
    state, words = found[serial]
    if what_to_do := _STATES.get(state, "is in a state that is not known here"):
        raise ValueError(f"The phone {serial} {what_to_do}. adb says: {words}")
    return Phone(serial)


def _adb(*arguments, timeout=60):
    if not shutil.which("adb"):
        raise ValueError("There is no adb here: install it (Debian: apt-get install adb).")
    return subprocess.run(["adb", *arguments], capture_output=True, text=True, errors="replace", timeout=timeout)
