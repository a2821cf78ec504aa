"""How MIC's App Board gets to know whether a thing is online."""

from thing_operator.device.presence import CONNECTION_STATUS, offline_report, online_report


def test_the_reports_are_mics_convention() -> None:
    assert online_report() == {"tcxn": {"connection_status": 2}}
    assert offline_report() == {"tcxn": {"connection_status": 0}}
    assert CONNECTION_STATUS == "/tcxn/connection_status"
