"""Another government platform: reads a monthly table by gRPC, with nothing but the address and a token. The API comes by reflection.

Needs grpcio, grpcio-reflection and protobuf. The token comes from standard input:

    ./dev token --role county-office --region county:371302 | python docs/examples/monthly_table.py 127.0.0.1:PORT county-office county 371302 2026-11
"""

import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "dafei.reporting.v1.MonthlyTableService"


def main() -> None:
    address, kind, level, code, month = sys.argv[1:6]
    token = sys.stdin.read().strip()
    channel = grpc.insecure_channel(address)
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName(SERVICE).FindMethodByName("GetMonthlyTable")
    request_type = message_factory.GetMessageClass(method.input_type)
    response_type = message_factory.GetMessageClass(method.output_type)
    call = channel.unary_unary(
        f"/{SERVICE}/GetMonthlyTable",
        request_serializer=request_type.SerializeToString,
        response_deserializer=response_type.FromString,
    )
    request = json_format.ParseDict(
        {"unit": {"kind": kind, "region": {"level": level, "code": code}}, "month": month}, request_type()
    )
    try:
        table = call(request, timeout=60, metadata=[("authorization", f"Bearer {token}")])
    except grpc.RpcError as error:
        raise SystemExit(f"{error.code()}: {error.details()}") from error
    print(f"{table.unit_name} {table.month}")
    for row in [*table.rows, table.total]:
        print(row.name, *row.texts)


if __name__ == "__main__":
    main()
