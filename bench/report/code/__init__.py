"""The code of a task in each framework, cut from the files of the backends; nothing is imported or carried out."""
