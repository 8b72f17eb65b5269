"""What an ExecuTorch program executes, read from the program: its kernels, and XNNPACK's nodes.

A released ExecuTorch records nothing of a call, and a program without branches does the same in
every call. XNNPACK's part of a program is a FlatBuffer behind a header; `flatc`, which lies beside
the interpreter, makes JSON of it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vitbench.structure import Counters

XNNPACK = "XnnpackBackend"
MAGIC = slice(4, 8), b"XH00"  # of XNNPACK's header: the offset and the size of the graph follow
OFFSET, SIZE = slice(10, 14), slice(14, 18)


def counted(path: Path, calls: int) -> Counters:
    """Of so many calls of the method of a `.pte`."""
    from executorch.exir._serialize._program import deserialize_pte_binary

    program = deserialize_pte_binary(path.read_bytes()).program
    plan, operators, delegates = program.execution_plan[0], Counter[str](), 0
    for chain in plan.chains:
        for instruction in chain.instructions:
            what = instruction.instr_args
            if type(what).__name__ == "KernelCall":
                operators[plan.operators[what.op_index].name.removeprefix("aten::")] += 1
            elif type(what).__name__ == "DelegateCall":
                delegates += 1
                delegate = plan.delegates[what.delegate_index]
                data = bytes(program.backend_delegate_data[delegate.processed.index].data)
                operators.update(_nodes(data) if delegate.id == XNNPACK else [delegate.id])
    return {
        "operators": {name: count * calls for name, count in operators.items()},
        "graph": {"delegate calls": delegates * calls},
    }


def _nodes(data: bytes) -> Iterator[str]:
    """XNNPACK's nodes by name, each with the types of all its operands."""
    graph = _json_of(data)
    types = dict(_types(graph["xvalues"]))
    for node in graph["xnodes"]:
        operands = node["xnode_union"]
        ids = [n for key, n in operands.items() if key.endswith("_id") and n in types]
        found = sorted({types[n] for n in ids})
        yield " ".join([node["xnode_union_type"].removeprefix("_").removeprefix("XNN"), *found])


def _types(values: list[Mapping[str, Any]]) -> Iterator[tuple[int, str]]:
    for value in values:
        tensor = value["xvalue_union"]
        tensor = tensor.get("tensor_value", tensor)
        yield tensor["id_out"], tensor["datatype"].removeprefix("xnn_datatype_")


def _json_of(data: bytes) -> Any:
    from executorch.exir._serialize._flatbuffer import _flatc_decompile

    if data[MAGIC[0]] == MAGIC[1]:
        start, size = (int.from_bytes(data[each], "little") for each in (OFFSET, SIZE))
        data = data[start : start + size]
    with TemporaryDirectory() as folder:
        place = Path(folder)
        schema, binary = place / "schema.fbs", place / "graph.bin"
        source = files("executorch.backends.xnnpack.serialization") / "schema.fbs"
        schema.write_bytes(source.read_bytes())
        binary.write_bytes(data)
        _flatc_decompile(folder, str(schema), str(binary), ["--raw-binary"])
        return json.loads((place / "graph.json").read_text("utf-8"))
