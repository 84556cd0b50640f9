"""Does the code do what its tests say, and would the tests notice if it did not?"""
