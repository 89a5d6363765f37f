"""Controls that need a kernel: something is trained anew for every setting, which no page can do by itself."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

WIDGET = "application/vnd.jupyter.widget-view+json"


def run_with(function: Callable[..., Any], **controls: Any) -> Any:
    """Show controls that call `function` in the kernel when "Run" is pressed, and what it shows for their first values.

    Each control is what `ipywidgets.interact` takes: `(low, high, step)`, a list of choices, a number, or a widget. In
    JupyterLab, VS Code and Colab the controls are alive. A built page has no kernel: it names the controls, says where
    they work, and shows the first picture under them.

    Returns: the widget. Raises: ValueError if an argument of `function` has no control.
    """
    import ipywidgets
    from IPython.display import display

    widget = ipywidgets.interactive(function, {"manual": True, "manual_name": "Run"}, **controls)
    values = {child._kwarg: child.value for child in widget.kwargs_widgets}
    first = ", ".join(f"{name} = {value}" for name, value in values.items())
    words = f"Controls for {', '.join(values)}. They work in JupyterLab, where a kernel computes; the picture is for {first}."
    view = widget._repr_mimebundle_()[WIDGET]
    display(
        {WIDGET: view, "text/html": f'<p class="needs-kernel">{html.escape(words)}</p>', "text/plain": words},
        raw=True,
    )
    function(**values)
    return widget
