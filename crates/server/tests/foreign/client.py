"""A client of go-statemachine as its users write it, with stubs made by grpcio-tools."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue
from statemachine.v1beta import statemachine_pb2 as pb
from statemachine.v1beta import statemachine_pb2_grpc as stubs

DEADLINE = 60
Status = pb.EventOutcome.StatusCode


def code_of(call, request):
    """The status of a call that must fail."""
    try:
        answer = call(request, timeout=DEADLINE)
        if hasattr(answer, "__iter__"):
            answer = list(answer)
    except grpc.RpcError as error:
        return error.code()
    raise AssertionError(f"{request} was answered with {answer}")


def main(address):
    channel = grpc.insecure_channel(address)
    api = stubs.StatemachineServiceStub(channel)
    name = f"test.orders-{address.rsplit(':', 1)[1]}"

    health = api.Health(Empty(), timeout=DEADLINE, wait_for_ready=True)
    assert health.state == pb.HealthResponse.READY and health.release and not health.tlsEnabled, health

    steps = [
        ("start", "pending", "accept"),
        ("pending", "shipping", "ship"),
        ("shipping", "delivered", "deliver"),
        ("delivered", "completed", "sign"),
        ("completed", "closed", "close"),
    ]
    orders = pb.Configuration(
        name=name,
        version="v2",
        starting_state="start",
        states=["start", "pending", "shipping", "delivered", "completed", "closed"],
        transitions=[pb.Transition(**{"from": a, "to": b, "event": e}) for a, b, e in steps],
    )
    put = api.PutConfiguration(orders, timeout=DEADLINE)
    assert put.id == f"{name}:v2" and put.config == orders, put
    assert code_of(api.PutConfiguration, orders) == grpc.StatusCode.ALREADY_EXISTS
    for version in ["", "v3"]:
        orders.version = version
        api.PutConfiguration(orders, timeout=DEADLINE)
    orders.version = "v2"
    listed = api.GetAllConfigurations(StringValue(value=name), timeout=DEADLINE).ids
    assert listed == [f"{name}:v1", f"{name}:v2", f"{name}:v3"], listed
    assert name in api.GetAllConfigurations(StringValue(), timeout=DEADLINE).ids
    streamed = list(api.StreamAllConfigurations(StringValue(value=name), timeout=DEADLINE))
    assert [one.version for one in streamed] == ["v1", "v2", "v3"], streamed
    assert api.GetConfiguration(StringValue(value=f"{name}:v2"), timeout=DEADLINE) == orders
    assert code_of(api.GetConfiguration, StringValue(value="nothing:v1")) == grpc.StatusCode.NOT_FOUND
    assert code_of(api.StreamAllConfigurations, StringValue()) == grpc.StatusCode.INVALID_ARGUMENT
    assert code_of(api.PutConfiguration, pb.Configuration(name="x")) == grpc.StatusCode.INVALID_ARGUMENT

    fsm = pb.FiniteStateMachine(config_id=f"{name}:v2")
    made = api.PutFiniteStateMachine(pb.PutFsmRequest(fsm=fsm), timeout=DEADLINE)
    assert made.id and made.fsm.state == "start", made
    for n in range(9):
        api.PutFiniteStateMachine(pb.PutFsmRequest(id=str(n), fsm=fsm), timeout=DEADLINE)
    again = pb.PutFsmRequest(id="1", fsm=fsm)
    assert code_of(api.PutFiniteStateMachine, again) == grpc.StatusCode.ALREADY_EXISTS
    assert code_of(api.PutFiniteStateMachine, pb.PutFsmRequest(id="x")) == grpc.StatusCode.INVALID_ARGUMENT
    unknown = pb.PutFsmRequest(fsm=pb.FiniteStateMachine(config_id="nothing:v1"))
    assert code_of(api.PutFiniteStateMachine, unknown) == grpc.StatusCode.FAILED_PRECONDITION

    def send(fsm_id, event, event_id="", config=name):
        event = pb.Event(event_id=event_id, transition=pb.Transition(event=event), originator="python")
        answer = api.SendEvent(pb.EventRequest(config=config, id=fsm_id, event=event), timeout=DEADLINE)
        assert answer.event_id and not answer.HasField("outcome"), answer
        asked = pb.EventRequest(config=config, id=answer.event_id)
        return api.GetEventOutcome(asked, timeout=DEADLINE).outcome

    for event in ["accept", "ship"]:
        assert send("1", event).code == Status.Ok
    found = api.GetFiniteStateMachine(pb.GetFsmRequest(config=name, id="1"), timeout=DEADLINE)
    assert found.state == "shipping" and len(found.history) == 2, found
    assert found.history[1].originator == "python" and found.history[1].timestamp.seconds > 0, found
    refused = send("1", "accept")
    assert refused.code == Status.EventNotAllowed and "deliver" in refused.details, refused
    assert send("nobody", "accept").code == Status.FsmNotFound
    assert send("1", "accept", config="nothing").code == Status.ConfigurationNotFound
    for _ in range(3):
        assert send("2", "accept", event_id=f"once-{address}").code == Status.Ok
    request = pb.EventRequest(config=name, event=pb.Event(transition=pb.Transition(event="accept")))
    assert code_of(api.SendEvent, request) == grpc.StatusCode.FAILED_PRECONDITION
    unknown = pb.EventRequest(config=name, id="never-sent")
    assert code_of(api.GetEventOutcome, unknown) == grpc.StatusCode.NOT_FOUND

    with ThreadPoolExecutor(8) as clients:
        assert all(one.code == Status.Ok for one in clients.map(lambda n: send(str(n), "accept"), range(3, 9)))
    pending = pb.GetFsmRequest(config=name, state="pending")
    ids = api.GetAllInState(pending, timeout=DEADLINE).ids
    assert sorted(ids) == ["2", "3", "4", "5", "6", "7", "8"], ids
    whole = list(api.StreamAllInstate(pending, timeout=DEADLINE))
    assert sorted(one.id for one in whole) == sorted(ids), whole
    assert all(one.fsm.state == "pending" and len(one.fsm.history) == 1 for one in whole), whole
    assert len(api.GetAllInState(pb.GetFsmRequest(config=name), timeout=DEADLINE).ids) == 10
    assert code_of(api.GetAllInState, pb.GetFsmRequest()) == grpc.StatusCode.INVALID_ARGUMENT
    print("all is well")


main(sys.argv[1])
