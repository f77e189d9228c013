"""What a service's folder tells without anything in it being executed.

pickles    which names a pickle would import, and what scikit-learn wrote it
plain      pickles without the compression or archive around them
trust      which of those are data
models     a model file: format, framework, inputs and outputs, size
folder     all of it, and the packages that an image would have
"""
