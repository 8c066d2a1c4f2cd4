"""Words that a careless page would take for commands."""

from __future__ import annotations

CANARY = "window.canary=1"

ATTACKS = (
    f"<script>{CANARY}</script>",
    f"<img src=x onerror={CANARY}>",
    f"'><svg/onload={CANARY}>",
    f'" onmouseover="{CANARY}',
    f"' onfocus='{CANARY}' autofocus='",
    f"</p></article><iframe src=javascript:{CANARY}>",
    f"<a href=javascript:{CANARY}>x</a>",
    f"<body onload={CANARY}>",
    f"<details open ontoggle={CANARY}>",
    f"<video><source onerror={CANARY}></video>",
    f"<input autofocus onfocus={CANARY}>",
    f"<math><mtext></mtext><mglyph><style></style><img src=x onerror={CANARY}>",
    f"<!--><img src=x onerror={CANARY}>-->",
    f"<![CDATA[><img src=x onerror={CANARY}>]]>",
    f"</textarea><script>{CANARY}</script>",
    f"</title></style><script>{CANARY}</script>",
    f"<scr<script>ipt>{CANARY}</scr</script>ipt>",
    f"<SCRIPT SRC=data:text/javascript,{CANARY}></SCRIPT>",
    f"<object data='data:text/html,<script>{CANARY}</script>'>",
    f"<embed src='data:image/svg+xml,<svg onload={CANARY}>'>",
    f"<meta http-equiv=refresh content='0;url=javascript:{CANARY}'>",
    "<base href=//evil.example/>",
    f"<form action=javascript:{CANARY}><button>go</button></form>",
    f"<style>@import 'data:text/css,*{{x:expression({CANARY})}}'</style>",
    f"&lt;script&gt;{CANARY}&lt;/script&gt;",
    f"&#60;img src=x onerror={CANARY}&#62;",
    f"$\\href{{javascript:{CANARY}}}{{x}}$",
    f"\\(\\unicode{{<img src=x onerror={CANARY}>}}\\)",
    f"![x](javascript:{CANARY})",
    f"{{{{constructor.constructor('{CANARY}')()}}}}",
    f"<template><img src=x onerror={CANARY}></template>",
    f"%3Cscript%3E{CANARY}%3C/script%3E",
)
"""More than thirty ways of old and new; the words themselves must be shown, letter by letter."""
