"""Servers on this computer that speak the wire format of real ones, and misbehave on command."""
