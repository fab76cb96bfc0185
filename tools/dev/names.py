"""The names of the four services, and how they appear in settings."""

SERVICES = ("intake", "dispatch", "sla-monitor", "reporting")


def key(service: str, name: str) -> str:
    """`DAFEI_SLA_MONITOR_LISTEN` of `sla-monitor`, `LISTEN`."""
    return f"DAFEI_{service.upper().replace('-', '_')}_{name}"
