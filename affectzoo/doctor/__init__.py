"""Say what of an installation works, what is wrong with it and what to do; nobody is asked for it."""
