"""A film on its way: asked for, waiting, made step by step, ended, told to whoever wants to know."""
