"""The console: a page in the browser on which a person answers a training's questions."""
