"""The chat: a conversation that knows no widget, a view that knows no model, and a server between many and one.

transcript     who said and drew what, as a value            conversation   send, undo, edit, redraw; branches; files
engine         the port to whoever answers while watched     client         any OpenAI-compatible endpoint as an engine
assistant      the trained model as an engine                serving/       one model behind such an endpoint
shelf          conversations kept in memory                  inside         what there is to see of a reply
looking        how that is made from a model                 export         pages, and records for refinement
view           ipywidgets on top of a conversation           live, past, postcards   its parts
pictures       uploads checked, PNG both ways                markup         the only place that writes HTML
panels         how the parts stand on the page               dropping       pictures dropped or pasted
page           one server and a web page in front of it      animation      a short film of that page
twin           a whole conversation as a page or a figure
"""

__all__ = []
