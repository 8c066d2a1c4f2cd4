"""Postcards: the embedded picture-and-caption world, where the truth is always known.

sprites, backdrops   what can be drawn          scenes     what one picture shows, as a value
render               scene -> pixels            reader     pixels -> scene
captions             scene <-> words            edits      scene -> scene
dialogues            simulated conversations    answers    words -> facts
splits               what nothing may train on  pairs      a folder of pictures and captions
"""

__all__ = []
