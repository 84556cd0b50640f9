"""What can be done with a row: one small file per kind of stage, found by name in ``registry``."""
