"""What happens to a call: a function of one's own, a method, OpenTelemetry."""

from typing import assert_type

from opentelemetry.metrics import get_meter_provider
from opentelemetry.trace import get_tracer_provider

from onboard360_async import AsyncOnboard360, Onboard360
from onboard360_async.otel import Telemetry
from onboard360_async.transport.options import Event


def note(event: Event) -> None:
    assert_type(event.name, str)
    assert_type(event.seconds, float | None)
    assert_type(event.unknown, bool)


class Notes:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def hear(self, event: Event) -> None:
        self.events.append(event)


def handles() -> None:
    events: list[Event] = []
    for hook in (note, Notes().hear, events.append, Telemetry()):
        AsyncOnboard360("sk_test_1", on_event=hook)
    telemetry = Telemetry(tracer_provider=get_tracer_provider(), meter_provider=get_meter_provider())
    with Onboard360("sk_test_1", on_event=telemetry) as api:
        telemetry.watch(api.budget, scope="acme")
