"""Where servers keep their data."""
import tempfile


def folder():
    """The temporary folder, if the kernel says on which mount it lies. In a chroot whose root is no mount it does not, and Cassandra, which
    asks for the disk's free space by its mount, ends at once: there the first of /dev/shm and /run that is a mount."""
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        mounts = {line.split()[4] for line in table}
    usual = tempfile.gettempdir()
    if any(usual == m or usual.startswith(m.rstrip("/") + "/") for m in mounts):
        return usual
    return next((m for m in ("/dev/shm", "/run") if m in mounts), usual)
