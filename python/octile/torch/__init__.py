"""Octile in a model of torch: its linears replaced by packed ones, and its layers as an exact list for octile.plan().

    import octile.torch

    report = octile.torch.quantize_and_replace_linears(model, example=(ids,))
    print(report)                      # how many were replaced, and why the others were not
    with torch.no_grad():
        model(ids)

torch is imported here and nowhere else in the package.
"""

from ._export import export_layers
from ._modules import FusedLayerNorm, FusedLinear, FusedLinearAct
from ._replace import Report, quantize_and_replace_linears

__all__ = ["FusedLayerNorm", "FusedLinear", "FusedLinearAct", "Report", "export_layers", "quantize_and_replace_linears"]
