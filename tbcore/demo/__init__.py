"""The chat: a conversation that knows no widget, a view that knows no model, and a twin that needs neither.

conversation   who said and drew what; send, undo, edit, reset, save     pictures   uploads checked, PNG both ways
view           ipywidgets on top of a conversation                       markup     the only place that writes HTML
twin           a whole conversation as a page or a figure                assistant  the trained model behind the port
"""

__all__ = []
